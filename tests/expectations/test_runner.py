from expectations.runner import CriticalCheckFailed, run
from tests.expectations.conftest import SOURCES, Line

def test_consistent(line: Line) -> None:
    import time
    for stage in ("raw","marts"):
        t=time.time()
        try:
            r = run(stage, database_url=line.url, run_id="r1", sources=SOURCES)
        except CriticalCheckFailed as e:
            r=e.run
        print(stage, r.outcome, time.time()-t, len(r.results))
        for x in r.results:
            if not x.is_passed: print(x.check.code, x.check.relation, x.details, x.sample_ids)
    assert 0
