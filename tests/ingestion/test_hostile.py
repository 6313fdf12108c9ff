"""Hostile input: nobody leads a load elsewhere, gets its tokens, or writes where names point."""

from __future__ import annotations

import gzip
import ipaddress
import json
import logging
import ssl
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestion.clients.register import transport_of
from ingestion.errors import FetchError, SourceDefinitionError
from ingestion.source import SOURCES_FOLDER, Source, Window, load_sources
from tests.ingestion.clients.loopback import Site
from tests.ingestion.conftest import Platform
from tests.ingestion.test_bad_input import ROWS, table, workbook

pytestmark = pytest.mark.server

MakeSource = Callable[..., Source]
SECRET = "a-token-that-nobody-may-read"
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        yield one


@pytest.fixture
def stranger() -> Iterator[Site]:
    """A host of the inner network that no YAML names."""
    with Site() as one:
        yield one
        assert one.asked == []


def register(make_source: MakeSource, code: str, endpoint: str, **more: object) -> Source:
    settings = "".join(f"{name}: {value}\n" for name, value in more.items())
    return make_source(
        code,
        f"""
kind: register
deadline: none
attempts: 2
{settings}
regions: [{{code: tambov, time_zone: Europe/Moscow, endpoint: "{endpoint}"}}]
entities:
  rows:
    table: {code}
    role: case
    kind: appeal
    key: Номер
    listing: complete
    format: {{type: auto, separator: ";"}}
    formats: ["%d.%m.%Y"]
    identity: {{ФИО: person}}
    record: {{received_at: Дата, text: Текст, applicant_key: ФИО}}
""",
    )


CITY = """
kind: open311
deadline: none
window: {days: 1}
regions: [{code: pskov, time_zone: Europe/Moscow, discovery: "URL"}]
entities:
  requests:
    table: CODE
    role: case
    kind: request
    key: service_request_id
    record: {received_at: requested_datetime}
"""
OUTLETS = """
kind: feed
deadline: none
regions:
  - code: pskov
    time_zone: Europe/Moscow
    endpoint: "URL"
    feeds: [{name: news, url: FEED}]
entities:
  articles: {table: CODE, role: case, kind: post, key: ["@feed", "@id"], record: {text: "@text"}}
"""


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_wherever_it_leads(
    platform: Platform, make_source: MakeSource, site: Site, stranger: Site, status: int
) -> None:
    code = f"redirected_{status}"
    site.pages["/r.csv"] = lambda asked: (status, {"Location": f"{stranger.url}/r.csv"}, b"")
    (load,) = platform.ingest(register(make_source, code, f"{site.url}/r.csv"))
    assert (load.error_class, load.calls) == ("redirect_refused", 1)
    assert stranger.url.removeprefix("http://") in str(load.error_message)


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]/", "file:///etc"]
)
def test_a_redirect_to_a_private_address_ends_the_load(
    platform: Platform, make_source: MakeSource, site: Site, target: str
) -> None:
    site.pages["/r.csv"] = lambda asked: (302, {"Location": target}, table().encode())
    (load,) = platform.ingest(register(make_source, "private_place", f"{site.url}/r.csv"))
    assert (load.error_class, load.rows_read, load.calls) == ("redirect_refused", 0, 1)


# --- hosts and schemes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE:///etc/passwd",
        "ftp://city.example/rows.csv",
        "gopher://city.example/1",
        "jar:https://city.example/a!/b",
        "https:///rows.csv",
    ],
)
def test_only_the_web_sftp_and_paths_are_read(make_source: MakeSource, address: str) -> None:
    scheme = address.partition(":")[0]
    with pytest.raises(SourceDefinitionError, match=rf"regions\.0\.endpoint.*{scheme}: "):
        register(make_source, "schemes", address)
    outlets = OUTLETS.replace("URL", "https://media.example").replace("FEED", f'"{address}"')
    with pytest.raises(SourceDefinitionError, match=rf"feeds\.0\.url.*{scheme}: "):
        make_source("schemes", outlets)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://stranger.example/rows.csv",
        "https://city.example.stranger.example/rows.csv",
        "https://city.example@stranger.example/rows.csv",
        "http://city.example/rows.csv",
        "file:///etc/passwd",
        "ftp://city.example/rows.csv",
    ],
)
def test_a_source_reaches_only_the_hosts_that_its_yaml_names_and_as_it_names_them(
    make_source: MakeSource, address: str
) -> None:
    source = register(make_source, "limited", "https://city.example/rows.csv", token=SECRET)
    assert source.origins == {("https", "city.example")}
    transport = transport_of(source)
    with pytest.raises(FetchError) as caught, transport.fetch(address):
        pass
    assert (caught.value.code, transport.calls) == ("address_refused", 0)
    assert SECRET not in str(caught.value)


def test_what_a_yaml_names_may_be_read_and_rather_by_https(make_source: MakeSource) -> None:
    plain = register(make_source, "plain", "http://city.example/rows.csv")
    assert plain.origins == {("http", "city.example"), ("https", "city.example")}
    outlets = OUTLETS.replace("URL", "https://media.example").replace("CODE", "named")
    media = make_source("named", outlets.replace("FEED", "https://paper.example/rss"))
    assert media.origins == {("https", "media.example"), ("https", "paper.example")}
    city = CITY.replace(
        'discovery: "URL"', "discovery: {url: https://city.example/d, hosts: [api.example]}"
    )
    found = make_source("found", city.replace("CODE", "found"))
    assert found.origins == {("https", "city.example"), ("https", "api.example")}


def test_every_source_of_the_platform_is_held_to_its_own_hosts() -> None:
    names = ("TSUR_SANDBOX_URL", "TSUR_FULL_SANDBOX_URL")
    sources = load_sources(SOURCES_FOLDER, dict.fromkeys(names, "https://sandbox.example"))
    assert {one for source in sources.values() for one in source.origins} == {
        ("https", "sandbox.example")
    }
    for source in sources.values():
        with (
            pytest.raises(FetchError) as caught,
            transport_of(source).fetch("http://169.254.169.254/"),
        ):
            pass
        assert caught.value.code == "address_refused"


@pytest.mark.parametrize("scheme", ["http", "file", "gopher"])
def test_a_discovery_document_leads_nowhere_else(
    platform: Platform, make_source: MakeSource, site: Site, scheme: str
) -> None:
    code = f"led_{scheme}"
    found = {"specification": "GeoReport_v2", "url": f"{scheme}://169.254.169.254/v2"}
    site.pages["/d.json"] = lambda asked: json.dumps({"endpoints": [found]}).encode()
    text = CITY.replace("URL", f"{site.url}/d.json").replace("CODE", code)
    (load,) = platform.ingest(make_source(code, text), window=WINDOW)
    assert (load.error_class, load.rows_read) == ("discovery_refused", 0)
    assert site.paths() == ["/d.json"]
    assert "169.254.169.254" in str(load.error_message)


def test_a_feed_s_links_are_kept_as_text_and_never_followed(
    platform: Platform, make_source: MakeSource, site: Site, stranger: Site
) -> None:
    def feed(asked: dict[str, str]) -> bytes:
        return (
            f'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="{stranger.url}/">'
            f'<link rel="next" href="{stranger.url}/next"/><link rel="hub" href="{stranger.url}"/>'
            f'<entry><id>1</id><title>Яма</title><content src="{stranger.url}/text"/>'
            f'<link rel="enclosure" href="{stranger.url}/photo.jpg"/></entry></feed>'
        ).encode()

    site.pages["/news.atom"] = feed
    text = OUTLETS.replace("URL", site.url).replace("FEED", "news.atom").replace("CODE", "links")
    (load,) = platform.ingest(make_source("links", text))
    assert (load.outcome, load.rows_landed) == ("success", 1)
    assert site.paths() == ["/robots.txt", "/news.atom"]


# --- TLS -----------------------------------------------------------------------------------------


class Authority:
    """Signs certificates for 127.0.0.1; `file` is what trusts it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        root = self._signed(self._name, self._key, is_authority=True)
        self.file.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), True)
            .add_extension(x509.SubjectAlternativeName([address]), False)
            .add_extension(own, False)
            .add_extension(signer, False)
            .sign(self._key, hashes.SHA256())
        )

    def site(self) -> Site:
        """A host with a certificate that this authority has signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        path = self._folder / "host.pem"
        private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, *private)
            + self._signed(name, key, is_authority=False).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        site = Site(tls=context)
        site.pages["/r.csv"] = lambda asked: table().encode()
        return site


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Authority of a state")


@pytest.fixture
def public_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only one that everybody trusts."""
    one = Authority(tmp_path, "Public authority")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(one.file))
    return one


def test_a_host_without_a_trusted_certificate_gets_neither_request_nor_token(
    platform: Platform,
    make_source: MakeSource,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The machine's environment cannot make a source trust anybody.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.file))
    with authority.site() as site:
        source = register(make_source, "impostor", f"{site.url}/r.csv", token=SECRET)
        (load,) = platform.ingest(source)
    assert (load.error_class, load.rows_read, load.calls) == ("http_connection", 0, 1)
    assert "certificate of the host is not trusted" in str(load.error_message)
    assert "unable to get local issuer certificate" in str(load.error_message)
    assert (site.asked, SECRET in str(load.error_message)) == ([], False)


def test_a_source_may_name_the_authority_that_its_hosts_are_trusted_by(
    platform: Platform, make_source: MakeSource, authority: Authority
) -> None:
    with authority.site() as site:
        address = f"{site.url}/r.csv"
        source = register(make_source, "of_the_state", address, ca_file=f'"{authority.file}"')
        (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_landed) == ("success", len(ROWS))


def test_an_authority_that_a_source_names_stands_in_place_of_the_public_ones(
    platform: Platform,
    make_source: MakeSource,
    authority: Authority,
    public_authority: Authority,
) -> None:
    with public_authority.site() as site:
        address = f"{site.url}/r.csv"
        (load,) = platform.ingest(register(make_source, "of_all", address))
        assert load.outcome == "success"
        narrow = register(make_source, "of_one", address, ca_file=f'"{authority.file}"')
        (load,) = platform.ingest(narrow)
    assert (load.error_class, load.rows_read) == ("http_connection", 0)
    assert "certificate of the host is not trusted" in str(load.error_message)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_host_is_not_asked_while_its_authority_cannot_be_read(
    platform: Platform,
    make_source: MakeSource,
    authority: Authority,
    tmp_path: Path,
    content: bytes | None,
) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    code = f"unread_{'absent' if content is None else len(content)}"
    with authority.site() as site:
        (load,) = platform.ingest(
            register(make_source, code, f"{site.url}/r.csv", ca_file=f'"{path}"')
        )
    assert (load.error_class, load.calls, site.asked) == ("ca_file_unreadable", 0, [])
    assert str(path) in str(load.error_message)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"ca_file": "certificates/root.pem"}, "ca_file: .*whole path"),
        ({"verify": "false"}, "verify: is not known"),
        ({"ca_file": "false"}, "ca_file: "),
    ],
)
def test_a_yaml_cannot_leave_the_certificate_unchecked(
    make_source: MakeSource, line: dict[str, str], said: str
) -> None:
    with pytest.raises(SourceDefinitionError, match=said):
        register(make_source, "unchecked", "https://city.example/r.csv", **line)


# --- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_answer_over_the_limit_takes_nothing_away(
    platform: Platform, make_source: MakeSource, site: Site, is_packed: bool
) -> None:
    code = f"huge_{is_packed}".casefold()
    site.pages["/r.csv"] = lambda asked: table().encode()
    source = register(make_source, code, f"{site.url}/r.csv", max_megabytes=1)
    platform.ingest(source)
    content = table().encode() + b"\n" * (3 << 20)
    packed = gzip.compress(content)
    assert len(packed) < 1 << 14
    site.pages["/r.csv"] = lambda asked: (
        (200, {"Content-Encoding": "gzip"}, packed) if is_packed else content
    )
    (load,) = platform.ingest(source)
    assert (load.error_class, load.rows_tombstoned) == ("answer_too_large", 0)
    assert "exceeds 1 MB" in str(load.error_message)
    assert len(platform.records(code)) == len(ROWS)


# --- names ---------------------------------------------------------------------------------------


def climbing(content: bytes) -> bytes:
    """A workbook with members that want to be unpacked elsewhere."""
    archive = BytesIO(content)
    with zipfile.ZipFile(archive, "a") as opened:
        for name in ("../../climbed.txt", "/climbed.txt", "..\\climbed.txt", "xl/../../climbed"):
            opened.writestr(name, b"climbed")
    return archive.getvalue()


def listed(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("is_broken", [False, True])
def test_names_in_answers_and_archives_are_never_paths(
    platform: Platform,
    make_source: MakeSource,
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_broken: bool,
) -> None:
    code = f"climbing_{is_broken}".casefold()
    inside = tmp_path / "one" / "two" / "three"
    (inside / "temporary").mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setattr(tempfile, "tempdir", str(inside / "temporary"))
    content = climbing(workbook())
    if is_broken:
        content = content[: len(content) // 2]
    disposition = {"Content-Disposition": 'attachment; filename="../../climbed.xlsx"'}
    site.pages["/x/../../climbed.xlsx"] = lambda asked: (200, disposition, content)
    site.pages["/climbed.xlsx"] = site.pages["/x/../../climbed.xlsx"]
    source = register(make_source, code, f"{site.url}/x/../../climbed.xlsx")
    before = listed(tmp_path)
    (load,) = platform.ingest(source)
    if is_broken:
        assert (load.error_class, load.rows_quarantined) == ("broken_workbook", 1)
        platform.replay(source)
    else:
        assert (load.outcome, load.rows_landed) == ("success", len(ROWS))
    assert listed(tmp_path) == before
    # The ledger tells the address that was declared, not the name that the answer gave itself.
    assert load.file_name == f"{site.url}/x/../../climbed.xlsx"


def test_a_file_s_own_name_is_only_told(
    platform: Platform, make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in" / "box"
    folder.mkdir(parents=True)
    name = "rows..%2F..%2Fclimbed; $(id) 'x'\n.csv"
    (folder / name).write_text(table() + "9;not a date;;\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    source = register(make_source, "odd_names", str(folder))
    before = listed(tmp_path)
    (load,) = platform.ingest(source)
    platform.replay(source)
    assert load.error_message is None
    assert (load.file_name, load.rows_landed, load.rows_quarantined) == (name, len(ROWS), 1)
    assert listed(tmp_path) == before


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["good", "cut_short", "refused", "redirected"])
def test_a_token_in_an_address_is_neither_logged_nor_kept(
    platform: Platform,
    make_source: MakeSource,
    site: Site,
    caplog: pytest.LogCaptureFixture,
    answer: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    site.pages["/r.csv"] = lambda asked: {
        "good": (200, {}, table().encode()),
        "cut_short": (200, {}, b""),
        "refused": (403, {}, f"{SECRET} has expired".encode()),
        "redirected": (302, {"Location": f"https://login.example/?token={SECRET}"}, b""),
    }[answer]
    host = site.url.removeprefix("http://")
    names = "token=S&api_key=S&apikey=S&password=S&signature=S&sig=S&Access_Token=S"
    code = f"told_{answer}"
    address = f"http://user:S@{host}/r.csv?{names}&part=1".replace("S", SECRET)
    (load,) = platform.ingest(register(make_source, code, address))
    assert load.file_name == f"http://{host}/r.csv?part=1"
    assert len(site.asked) == 1
    assert (load.outcome == "success") is (answer == "good")
    kept = platform.rows(
        "select to_jsonb(l)::text from ops.loads as l"
        " union all select to_jsonb(q)::text from ops.quarantine as q"
        f" union all select to_jsonb(r)::text from raw.{code} as r"
    )
    told = "\n".join([*(row[0] for row in kept), caplog.text, str(load)])
    assert SECRET not in told
