"""Has everything public an entry in the registry, which the tests of all kinds read?"""
import inspect

from minixnn import attribution, layers
from minixnn.layers import joins
from minixnn.rules import composites, deep_taylor, lrp
from tests import registry


def functions(module):
    return {f for name, f in vars(module).items()
            if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")}


def bare(rule):
    return getattr(rule, "func", rule)


def test_every_rule_and_composite_has_an_entry():
    held = {bare(rule) for rule, *_ in [*registry.RULES.values(), *registry.JOIN_RULES.values()]}
    held |= set(map(bare, [*registry.RELATIVE.values(), *registry.COMPOSITES.values()]))
    public = functions(lrp) | functions(deep_taylor)
    public |= {f for f in functions(composites)
               if composites.is_composite(f) and [*inspect.signature(f).parameters][0] == "net"}
    public |= {joins.by_contribution, joins.cut, joins.half_each, joins.signal_takes_all}
    missing = {f.__name__ for f in public - held} - {"deep_taylor"}     # a pass of its own, which takes it
    assert not missing, f"add {', '.join(sorted(missing))} to tests/registry.py"


def test_every_layer_and_way_of_writing_has_an_entry():
    cases = [case for cases in (registry.EXAMPLES, registry.MORE, registry.JOINS, registry.WRITTEN)
             for case in cases.values()]
    seen = {type(layer) for layer, _ in cases} | set(map(type, registry.TOKENS.values()))
    public = {getattr(layers, name) for name in layers.__all__} - {
        layers.Affine, layers.Elementwise, layers.Join, layers.Layer, layers.Graph, layers.Block}
    missing = {kind.__name__ for kind in public - seen if inspect.isclass(kind)}
    assert not missing, f"add an example of {', '.join(sorted(missing))} to tests/registry.py"


def test_every_method_has_a_name_and_every_network_an_input():
    assert attribution.METHODS.keys() == attribution.NAMES.keys()
    for name, (make, x) in registry.NETWORKS.items():
        y = make().forward(x)
        assert y.shape[1:] == (3,) and y.dtype == "float64", name
