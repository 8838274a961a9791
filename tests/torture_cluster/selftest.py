def run_selftest(seed: int) -> bool:
    return False
