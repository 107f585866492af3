def test_walk(runs, fake, until):
    ids = runs.create_pipeline(fake.Chain())
    assert runs.dispatch() == [ids["walk"]]
    r = until(runs, ids["walk"], "finished", "failed", "lost")
    assert r.state == "finished", r.error
    r2 = until(runs, ids["sum"], "finished", "failed", "lost")
    print(r.measures, r.artifacts, r.series("fake_position", side="left"), r2.measures, runs.list())
    assert r2.state == "finished"
