"""Make Airflow's logins agree with the credentials file.

Runs in a process of its own with Airflow's variables: `python -m stack.airflow_logins`. Airflow's
own command takes a password as an argument, where every account of the machine could read it.
"""

from __future__ import annotations

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

from stack.settings import get_settings

FAB_ROLES = {"admin": "Admin"}


def main() -> None:
    logins = get_settings().credentials.airflow
    with get_application_builder() as builder:
        manager = builder.sm
        for name, login in logins.items():
            user = manager.find_user(username=login.username)
            if user is None:
                manager.add_user(
                    login.username,
                    login.username,
                    "ЦУР",
                    f"{login.username}@localhost",
                    manager.find_role(FAB_ROLES[name]),
                    login.password,
                )
            else:
                manager.reset_password(user.id, login.password)


if __name__ == "__main__":
    main()
