"""Large libraries that the driver needs, imported while Ray starts its processes, for which it would only wait."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from launcher.model.lean import lean_imports
from launcher.model.quiet import quiet_libraries


@contextmanager
def imports_ahead(device: str, *, quantised: bool) -> Iterator[None]:
    """They are there when this ends.

    Args:
        device: That the run trains on, "cpu" or "cuda".
        quantised: Whether the base is: what this process does later may need it so.
    """
    import ray  # noqa: F401  # by one thread alone, as its parts import each other

    with ThreadPoolExecutor(1, "imports") as pool:
        importing = pool.submit(_import, device, quantised)
        yield
        importing.result()


def _import(device: str, quantised: bool) -> None:
    with lean_imports(quantised=quantised):
        quiet_libraries(device)
        from transformers import AutoTokenizer  # noqa: F401

        import launcher.train.attempt  # noqa: F401
