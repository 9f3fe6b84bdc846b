from tests.e2e.conftest import home, scripted

__all__ = ["home", "scripted"]
