"""The registry finds names and synonyms by reading its files; importing them must give the same."""

from importlib import import_module
from pkgutil import iter_modules

from archc.compiler import layers
from archc.compiler.layers import registry
from archc.compiler.layers.base import Layer


def test_what_is_read_is_what_is_imported() -> None:
    for module in iter_modules(layers.__path__):
        import_module(f"{layers.__name__}.{module.name}")
    assert set(registry()) == set(Layer.registry)
    assert registry().synonyms() == {other: name for name, layer in Layer.registry.items() for other in layer.synonyms}
    assert all(registry()[name] is layer for name, layer in Layer.registry.items())
