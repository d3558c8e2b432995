"""Behaviour of the emitted model: built, compiled, exported, copied, sampled from, and equal to the plan."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from scalec.emit.document import shape_at
from scalec.emit.names import MODULE_ATTRIBUTES
from scalec.plan.model import Plan, PlannedTensor
from scalec.symbolic.formula import evaluate
from tests.emit.compiling import Emitted, cached_plan, import_files, plan_of
from tests.emit.texts import CASES, NETWORKS

# torch's own, on the first compile of a process
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")]
WIDTH = 32
LOUD = [case for case in CASES if case[1] != "mine"]
Cases = dict[tuple[str, str], Emitted]


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    root = tmp_path_factory.mktemp("emitted")
    return {
        (network, rule): import_files(cached_plan(network, WIDTH, rule), root / f"{network}_{rule}")
        for network, rule in CASES
    }


def build(model: ModuleType, config: object | None = None, seed: int = 0, **options: object) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return model.build_model(config or model.Config(), generator=generator, **options)


def batch(plan: Plan, length: int = 7) -> Tensor:
    """An input of the network: tokens, or vectors."""
    generator = torch.Generator().manual_seed(1)
    if plan.program.regions[0].kind == "input":
        return torch.randn(3, 6, generator=generator)
    return torch.randint(32, (3, length), generator=generator)


def awaken(model: Any, seed: int = 3) -> Any:
    """Random weights of one size everywhere, so that nothing is zero and every path is seen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


def planned_names(plan: Plan, t: PlannedTensor) -> list[str]:
    names = [t.tensor.storage.name]
    for axis in t.tensor.axes:
        count = int(evaluate(axis.count, lambda s: float(plan.sizes[0][s.name])))
        names = [name.replace(f"{{{axis.name}}}", str(i)) for name in names for i in range(count)]
    return names


def assert_same_weights(left: nn.Module, right: nn.Module) -> None:
    one, other = left.state_dict(), right.state_dict()
    assert list(one) == list(other)
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_the_comparison_of_weights_can_fail() -> None:
    with pytest.raises(AssertionError):
        assert_same_weights(nn.Linear(2, 2), nn.Linear(2, 2))


# ---- what is built ---------------------------------------------------------------------------
@pytest.mark.parametrize("case", CASES)
def test_parameters_are_those_of_the_plan(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    expected = {
        name: tuple(shape_at(t.tensor, e.plan.sizes[0])) for t in e.plan.tensors for name in planned_names(e.plan, t)
    }
    assert {n: tuple(p.shape) for n, p in build(e.model).named_parameters()} == expected


@pytest.mark.parametrize("case", CASES)
def test_initial_spread_is_the_plan_s(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    parameters = dict(build(e.model, seed=5).named_parameters())
    for t in e.plan.tensors:
        mean, std = (e.plan.value(t.numbers[n], e.plan.sizes[0]) for n in ("init.mean", "init.std"))
        for name in planned_names(e.plan, t):
            p = parameters[name].detach()
            assert math.isclose(p.mean().item(), mean, abs_tol=5 * std / math.sqrt(p.numel())), name
            assert math.isclose(p.std().item(), std, rel_tol=5 / math.sqrt(2 * p.numel())), name
            if t.init.word == "uniform":
                assert p.abs().max().item() <= math.sqrt(3) * std


@pytest.mark.parametrize("network", NETWORKS)
def test_meta_device_then_weights(emitted: Cases, network: str) -> None:
    e = emitted[network, "mine"]
    config = e.model.Config()
    model = build(e.model, config, device="meta")
    assert all(p.is_meta for p in model.parameters())
    logits = model(batch(e.plan).to("meta"))
    model.to_empty(device="cpu")
    e.model.init_weights(model, config, torch.Generator().manual_seed(0))
    assert_same_weights(model, build(e.model))
    torch.testing.assert_close(model(batch(e.plan)), build(e.model)(batch(e.plan)))
    assert model(batch(e.plan)).shape == logits.shape


@pytest.mark.parametrize("case", [("tiny_gpt", "loud"), ("tiny_llama", "loud_llama"), ("tiny_tied", "loud")])
def test_dtype(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    model = build(e.model, dtype=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model(batch(e.plan)).dtype == torch.bfloat16


@pytest.mark.parametrize("case", CASES)
def test_config_of_another_size_is_what_compile_emits_there(
    emitted: Cases, case: tuple[str, str], tmp_path: Path
) -> None:
    """Weights, multipliers and every number of the optimizer, exactly."""
    network, rule = case
    sizes = {"N": 48, "L": 3}
    there = import_files(plan_of(network, sizes, rule=rule), tmp_path)
    here = emitted[case]
    moved, emitted_there = (build(m, m.Config(**s)) for m, s in ((here.model, sizes), (there.model, {})))
    assert_same_weights(moved, emitted_there)
    assert constants(moved) == constants(emitted_there)
    groups = [o.build_optimizer(m).param_groups for o, m in ((here.optim, moved), (there.optim, emitted_there))]
    assert [{k: v for k, v in g.items() if k != "params"} for g in groups[0]] == [
        {k: v for k, v in g.items() if k != "params"} for g in groups[1]
    ]


def constants(model: nn.Module) -> dict[str, float]:
    return {
        f"{name}.{key}": value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, float)
    }


@pytest.mark.parametrize("network", ["tiny_gpt", "parallel"])
def test_multipliers_are_the_plan_s(emitted: Cases, network: str) -> None:
    e = emitted[network, "loud"]
    values = {e.plan.value(q, e.plan.sizes[0]) for s in e.plan.sites for q in s.numbers.values()}
    values |= {e.plan.value(t.numbers["scale"], e.plan.sizes[0]) for t in e.plan.tensors}
    model = build(e.model)
    found = {v for k, v in constants(model).items() if not k.endswith((".eps", ".norm_type"))}
    assert found | {1.0} == values | {1.0}  # a factor that is 1 at this size may be written or not


def test_sizes_that_do_not_divide_are_refused(emitted: Cases) -> None:
    model = emitted["tiny_gpt", "mine"].model
    with pytest.raises(ValueError, match="33 is not divisible by 8"):
        model.Config(N=33)
    with pytest.raises(ValueError, match="32 is not divisible by 3"):
        build(model, model.Config(N=32, H=3))
    assert model.Config(N=32, H=2).m_H == 1.0


# ---- the forward pass ------------------------------------------------------------------------
def test_every_factor_is_applied_where_the_rule_puts_it(emitted: Cases) -> None:
    """Against the same network written out by hand, with the factors of `loud` as numbers."""
    e = emitted["tiny_gpt", "loud"]
    model = awaken(build(e.model, dtype=torch.float64))
    tokens = batch(e.plan)
    w = dict(model.named_parameters())
    half = 1 / math.sqrt(WIDTH / 16)  # the forward multiplier of every matrix: 1/sqrt of the width ratio

    def norm(x: Tensor, gain: Tensor) -> Any:
        return 0.75 * functional.layer_norm(x, (WIDTH,)) * gain

    def heads(x: Tensor, name: str) -> Tensor:
        return (half * x @ w[name].T).reshape(3, 7, 4, 8).transpose(1, 2)

    x = 0.75 * w["embed.weight"][tokens] + 0.75 * w["position.weight"][:7]
    for i in range(2):
        b = f"blocks.{i}"
        y = norm(x, w[f"{b}.norm.weight"])
        q, k, v = (heads(y, f"{b}.attention.{name}.weight") for name in "qkv")
        dots = q @ k.transpose(-1, -2) / math.sqrt(8)  # head_dim stays at its base, where sp divides by its root
        dots = dots.masked_fill(torch.ones(7, 7).triu(1).bool(), -math.inf)
        y = 1.25 * (dots.softmax(-1) @ v).transpose(1, 2).reshape(3, 7, WIDTH)
        x = 0.875 * x + half * y @ w[f"{b}.attention.o.weight"].T
        y = norm(x, w[f"{b}.norm2.weight"])
        y = math.sqrt(2) * functional.gelu(half * y @ w[f"{b}.mlp.up.weight"].T)
        x = 0.875 * x + half * y @ w[f"{b}.mlp.down.weight"].T / 3
    expected = 0.5 * half * norm(x, w["norm.weight"]) @ w["readout.weight"].T
    torch.testing.assert_close(model(tokens), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("network", ["tiny_gpt", "parallel", "two_stacks", "tiny_tied"])
def test_sampling_gives_the_logits_of_training(emitted: Cases, network: str) -> None:
    e = emitted[network, "loud"]
    model = awaken(build(e.model, dtype=torch.float64))
    seen: list[Tensor] = []
    model.register_forward_hook(lambda _, __, logits: seen.append(logits[:, -1]))
    start = batch(e.plan, length=5)
    torch.manual_seed(0)
    sampled = model.generate(start, count=4)
    in_training = model(sampled)
    assert torch.equal(sampled[:, :5], start)
    for position, logits in enumerate(seen[:4], start=4):
        torch.testing.assert_close(logits, in_training[:, position], rtol=1e-12, atol=1e-12)


def test_sampling_goes_on_beyond_the_context(emitted: Cases) -> None:
    model = build(emitted["tiny_gpt", "mine"].model)
    assert model.generate(torch.zeros(1, 1, dtype=torch.long), count=15).shape == (1, 16)


def test_a_network_that_sees_ahead_does_not_sample(emitted: Cases) -> None:
    assert not hasattr(emitted["post_norm", "mine"].model.Model, "generate")


@pytest.mark.parametrize("case", LOUD)
def test_one_graph(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    torch._dynamo.reset()
    model = awaken(build(e.model))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(batch(e.plan)), model(batch(e.plan)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_inductor_block_by_block(emitted: Cases) -> None:
    e = emitted["tiny_gpt", "loud"]
    torch._dynamo.reset()
    model, compiled = awaken(build(e.model)), awaken(build(e.model, compile=True))
    assert_same_weights(model, compiled)
    torch.testing.assert_close(compiled(batch(e.plan)), model(batch(e.plan)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", LOUD)
def test_export(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    model = awaken(build(e.model))
    program = torch.export.export(model, (batch(e.plan),))
    torch.testing.assert_close(program.module()(batch(e.plan)), model(batch(e.plan)))


@pytest.mark.parametrize("case", CASES)
def test_deepcopy(emitted: Cases, case: tuple[str, str]) -> None:
    e = emitted[case]
    model = awaken(build(e.model))
    copied = copy.deepcopy(model)
    assert torch.equal(copied(batch(e.plan)), model(batch(e.plan)))
    assert constants(copied) == constants(model)


# ---- names -----------------------------------------------------------------------------------
def test_reserved_names_are_those_of_a_module() -> None:
    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= MODULE_ATTRIBUTES


@pytest.mark.parametrize("extra", [nn.Linear(2, 2), nn.ModuleList([nn.Linear(2, 2)])])
def test_a_parameter_without_a_row_is_an_error(emitted: Cases, extra: nn.Module) -> None:
    e = emitted["tiny_gpt", "mine"]
    model = build(e.model)
    model.extra = extra
    with pytest.raises(ValueError, match=r"parameter `extra.* is in 0 rows"):
        e.model.init_weights(model, e.model.Config())
    with pytest.raises(ValueError, match=r"parameter `extra.* is in 0 rows"):
        e.optim.build_optimizer(model)


def test_a_parameter_in_two_rows_is_an_error(emitted: Cases) -> None:
    e = emitted["tiny_gpt", "mine"]
    rows = e.model.initial(e.model.Config())
    with pytest.raises(ValueError, match=r"`embed\.weight` is in 2 rows"):
        e.model.claim([*rows, {"names": ["embed.weight"]}], build(e.model))


def test_wrapped_names_find_their_rows(emitted: Cases) -> None:
    e = emitted["tiny_gpt", "mine"]
    model = build(e.model)
    plain = len(e.optim.build_optimizer(model).param_groups)
    compiled: Any = torch.compile(model, backend="eager")
    wrapped = nn.ModuleDict({"module": compiled})
    assert "module._orig_mod.embed.weight" in dict(wrapped.named_parameters())
    assert len(e.optim.build_optimizer(wrapped, e.model.Config()).param_groups) == plain
