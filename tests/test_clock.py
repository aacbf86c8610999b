from kigeon.clock import JumpWatch


def test_a_clock_that_was_set_is_noticed_once() -> None:
    wall, steady = [1000.0], [5.0]
    watch = JumpWatch(lambda: wall[0], lambda: steady[0])
    found = []
    for jump in (0.0, 3600.0, 0.0, -7200.0, 0.0):
        wall[0] += 0.2 + jump
        steady[0] += 0.2
        found.append(round(watch.jumped()))
    assert found == [0, 3600, 0, -7200, 0]


def test_a_clock_that_is_corrected_is_not() -> None:
    wall, steady = [1000.0], [5.0]
    watch = JumpWatch(lambda: wall[0], lambda: steady[0])
    for _ in range(1000):
        wall[0] += 0.21
        steady[0] += 0.2
        assert not watch.jumped()
