"""Proves each device by a matrix product and prints a JSON line for it; a script for any interpreter with torch.

A broken driver may hang or kill whoever touches it, and so may a torch that was built for another processor: this
runs in a process of its own, the processor first.
"""

import json


def main() -> None:
    """Print one line for the processor and for each accelerator that torch sees."""
    try:
        import torch
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        _print("cpu", "Processor", None, f"the Python package torch is missing or broken ({reason})")
        return
    _tell("cpu", "Processor", None)
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(index)
        _tell(f"cuda:{index}", found.name, found.total_memory)
    if torch.backends.mps.is_available():
        _tell("mps", "Apple GPU", None)


def _tell(name: str, title: str, memory: int | None) -> None:
    try:
        reason = prove(name)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    _print(name, title, memory, reason)


def _print(name: str, title: str, memory: int | None, reason: str) -> None:
    line = {"name": name, "title": title, "memory": memory, "usable": not reason, "reason": reason}
    print(json.dumps(line), flush=True)


def prove(name: str) -> str:
    """Why the device called ``name`` is not usable; "" when it is."""
    import torch

    # Whole numbers below 2**24: every correct float32 product is exact. That of integers goes another way.
    a = torch.arange(64 * 64).reshape(64, 64) % 7
    product = (a.to(name, torch.float32) @ a.to(name, torch.float32)).cpu()
    return "" if torch.equal(product, (a @ a).float()) else "a matrix product on it came out wrong"


if __name__ == "__main__":
    main()
