"""One pipeline for all tests of the folder: it takes a second to build."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.language import Language

from nlp.pipeline import build_pipeline

MUNICIPALITIES = """\
municipality_code,region_code,municipality_name,valid_from,valid_to
68602000,tambov,Бондарский муниципальный район,2020-01-01,
68701000,tambov,город Тамбов,2020-01-01,
68710000,tambov,город Кирсанов,2020-01-01,
58633000,pskov,Островский муниципальный район,2020-01-01,
58710000,pskov,город Великие Луки,2020-01-01,
75701000,chelyabinsk,Челябинский городской округ,2020-01-01,
75728000,chelyabinsk,Копейский городской округ,2020-01-01,
75758000,chelyabinsk,Чебаркульский городской округ,2020-01-01,
75657000,chelyabinsk,Чебаркульский муниципальный район,2020-01-01,
75634000,chelyabinsk,Красноармейский муниципальный район,2020-01-01,
36626000,samara,Красноармейский муниципальный район,2020-01-01,
"""


@pytest.fixture(scope="session")
def municipalities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeds") / "municipalities.csv"
    path.write_text(MUNICIPALITIES, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def pipeline(municipalities: Path) -> Language:
    return build_pipeline(municipalities=municipalities)
