"""The network as an ONNX file, which runs without PyTorch: in a web page, for example.

This module needs the package onnx.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .unet import Attention, Block, FaceNet, Upsample
from .weights import load_net

OPSET = 18  # the first whose Split says into how many parts


def export(path: str | Path, name: str | Path = "faces64") -> None:
    """Write the prior that `load_prior` finds under a `name` as an ONNX file.

    Its inputs are `x` (1, 3, size, size) float32; `t` (1,) int64, a level 1..T; and `tone` (1,)
    int64, an index into `TONES`. Its output `x0_hat`, shape of x, is the expected clean picture,
    not clipped. It computes in float32. Each tensor is stored in half precision where that
    loses nothing, as all weights on disk are. The same weights always make the same file.

    Raises ValueError like `load_prior`.
    """
    net = load_net(name)
    picture = [1, 3, net.size, net.size]
    inputs = [("x", TensorProto.FLOAT, picture)]
    inputs += [(name, TensorProto.INT64, [1]) for name in ("t", "tone")]
    graph = Graph(net)
    x0_hat = denoiser(graph, net, "x", "t", "tone")
    made = helper.make_graph(
        graph.nodes,
        "E[x0 | x_t]",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(x0_hat, TensorProto.FLOAT, picture)],
        graph.constants,
    )
    model = helper.make_model_gen_version(made, opset_imports=[helper.make_opsetid("", OPSET)])
    Path(path).write_bytes(model.SerializeToString(deterministic=True))


class Graph:
    """An ONNX graph in the making: `graph("Conv", x, weight, pads=…)` adds a node.

    What goes in are names of values, and tensors or lists of whole numbers, which become
    constants. What comes back is the name of the result, or a list of `outputs` names.
    """

    def __init__(self, net: FaceNet):
        self.nodes, self.constants, self.sides = [], [], sides(net)

    def __call__(self, operator: str, *inputs, outputs: int = 1, name: str = "", **attributes):
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = name or f"{operator}{len(self.nodes)}"
        results = [f"{name}.{i}" for i in range(outputs)] if outputs > 1 else [name]
        self.nodes.append(helper.make_node(operator, names, results, **attributes))
        return results if outputs > 1 else name

    def constant(self, value: Tensor | Sequence[int]) -> str:
        """A constant of the graph; one in half precision is cast to float32."""
        value = torch.as_tensor(value).contiguous()
        half = value.is_floating_point() and value.ndim and value.equal(value.half().float())
        name = f"constant{len(self.constants)}"
        stored = value.half() if half else value
        self.constants.append(numpy_helper.from_array(stored.numpy(), name))
        return self("Cast", name, to=TensorProto.FLOAT) if half else name


def denoiser(graph: Graph, net: FaceNet, x: str, t: str, tone: str) -> str:
    """E[x0 | x_t]: what the Gaussian predicts, and what the U-Net takes away from it.

    Eq. (v-prediction), book/prior/denoiser: in x0 = sqrt(alpha_bar) x - sqrt(1 - alpha_bar) v
    the x of `FaceNet.forward` and this x cancel.
    """
    a = graph("Gather", net.alpha_bar, t)
    left = graph("Sub", torch.ones(1), a)
    gaussian = gaussian_x0(graph, net, x, a, left)
    embedding = embed(graph, net, t, tone)
    h = graph("SpaceToDepth", graph("Concat", x, gaussian, axis=1), blocksize=2)
    # PyTorch has the four pixels of a colour together, ONNX the colours of a pixel.
    weight = net.input.weight.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2)
    h = graph("Conv", h, weight, net.input.bias, pads=[1, 1, 1, 1])
    h = graph("Add", h, net.position)
    skips = [h]
    for stage in net.down:
        h = layers(graph, stage, h, embedding)
        skips.append(h)
    h = layers(graph, net.mid, h, embedding)
    for stage in net.up:
        if isinstance(stage[0], Block):
            h = graph("Concat", h, skips.pop(), axis=1)
        h = layers(graph, stage, h, embedding)
    h = conv(graph, net.output.conv, silu(graph, norm(graph, net.output.norm, h)))
    added = graph("DepthToSpace", h, blocksize=2, mode="CRD")
    added = graph("Mul", graph("Sqrt", left), added)
    return graph("Sub", gaussian, added, name="x0_hat")


def gaussian_x0(graph: Graph, net: FaceNet, x: str, a: str, left: str) -> str:
    """What the Gaussian predicts, as `steps.gaussian_denoiser` does; shape of x.

    `a` is alpha_bar of the level, `left` is 1 - alpha_bar.
    Eq. (gaussian-denoiser), book/prior/denoiser.
    """
    root, mean = graph("Sqrt", a), graph.constant(net.gauss_mean)

    def gain(variance):
        variance = graph.constant(variance)
        noisy = graph("Add", graph("Mul", a, variance), left)
        return graph("Div", graph("Mul", root, variance), noisy)

    rest, directions = gain(net.gauss_rest), graph.constant(net.gauss_directions)
    z = graph("Sub", graph("Reshape", x, [1, -1]), graph("Mul", root, mean))
    more = graph("Sub", gain(net.gauss_variances), rest)
    along = graph("Mul", more, graph("MatMul", z, directions))
    x0 = graph("Gemm", along, directions, mean, transB=1)  # the large matrix is stored once
    return graph("Reshape", graph("Add", x0, graph("Mul", rest, z)), [1, 3, net.size, net.size])


def embed(graph: Graph, net: FaceNet, t: str, tone: str) -> str:
    """What the blocks are told of level and tone."""
    half = net.widths[0] // 2
    rates = torch.exp(-math.log(10000) / half * torch.arange(half))
    level = graph("Cast", graph("Sub", t, [1]), to=TensorProto.FLOAT)
    angles = graph("Reshape", graph("Mul", level, rates), [1, -1])
    waves = graph("Concat", graph("Cos", angles), graph("Sin", angles), axis=1)
    first, _, second = net.time
    time = linear(graph, second, silu(graph, linear(graph, first, waves)))
    return silu(graph, graph("Add", time, graph("Gather", net.tone.weight, tone)))


def layers(graph: Graph, stage: nn.Sequential, h: str, embedding: str) -> str:
    """The layers of a `Stage` in a row."""
    for layer in stage:
        if isinstance(layer, Block):
            h = block(graph, layer, h, embedding)
        elif isinstance(layer, Attention):
            h = attention(graph, layer, h)
        elif isinstance(layer, Upsample):
            h = upsample(graph, layer, h)
        else:
            h = conv(graph, layer, h)
    return h


def block(graph: Graph, layer: Block, x: str, embedding: str) -> str:
    """A `Block`."""
    told = graph("Reshape", linear(graph, layer.scale_shift, embedding), [1, -1, 1, 1])
    scale, shift = graph("Split", told, axis=1, num_outputs=2, outputs=2)
    h = conv(graph, layer.conv1, silu(graph, norm(graph, layer.norm1, x)))
    h = norm(graph, layer.norm2, h, graph("Add", scale, torch.ones(1)), shift)
    h = conv(graph, layer.conv2, silu(graph, h))
    if isinstance(layer.skip, nn.Conv2d):
        x = conv(graph, layer.skip, x)
    return graph("Add", x, h)


def attention(graph: Graph, layer: Attention, x: str) -> str:
    """An `Attention`: one softmax(q^T k) a head, whose columns are the pixels looked at."""
    heads, width = layer.heads, layer.proj.out_channels
    parts = conv(graph, layer.qkv, norm(graph, layer.norm, x))
    parts = graph("Split", parts, axis=1, num_outputs=3, outputs=3)
    q, k, v = (graph("Reshape", part, [heads, width // heads, -1]) for part in parts)
    q = graph("Mul", q, torch.tensor([(width // heads) ** -0.5]))
    weights = graph("Softmax", graph("MatMul", graph("Transpose", q, perm=[0, 2, 1]), k))
    h = graph("MatMul", v, graph("Transpose", weights, perm=[0, 2, 1]))
    h = graph("Reshape", h, graph("Shape", x))
    return graph("Add", x, conv(graph, layer.proj, h))


def norm(graph: Graph, layer: nn.GroupNorm, x: str, scale: str = "", shift: str = "") -> str:
    """Group normalisation; where they are given, times `scale` and plus `shift`."""
    groups = layer.num_groups
    h = graph("Reshape", x, [1, groups, -1])
    unit = torch.ones(groups), torch.zeros(groups)
    h = graph("InstanceNormalization", h, *unit, epsilon=layer.eps)
    h = graph("Reshape", h, graph("Shape", x))
    weight, bias = (graph.constant(each[:, None, None]) for each in (layer.weight, layer.bias))
    if scale:  # few numbers, so that the picture is gone through only once
        weight = graph("Mul", weight, scale)
        bias = graph("Add", graph("Mul", bias, scale), shift)
    return graph("Add", graph("Mul", h, weight), bias)


def conv(graph: Graph, layer: nn.Conv2d, x: str) -> str:
    """A convolution, by `winograd` where that is quicker: of many channels, on a fine grid."""
    small = layer.kernel_size == (3, 3) and layer.stride == (1, 1)
    if small and layer.in_channels >= 64 and graph.sides[layer] % 16 == 0:
        return winograd(graph, layer, x, graph.sides[layer] // 4)
    shape = {"pads": [*layer.padding, *layer.padding], "strides": layer.stride}
    return graph("Conv", x, layer.weight, layer.bias, **shape)


# What `winograd` does to the rows and columns of a tile, of the kernel, and of a product.
PIXELS = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1.0],
    ]
)
KERNEL = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24.0]]
)
RESULT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1.0]]
)


def winograd(graph: Graph, layer: nn.Conv2d, x: str, tiles: int) -> str:
    """A 3x3 convolution with a quarter of the multiplications, on `tiles` x `tiles` tiles.

    The 6x6 pixels that 4x4 results depend on, and the kernel, are transformed so that they are
    multiplied number by number; what comes out is transformed back.
    Source: Lavin & Gray 2016, F(4x4, 3x3).
    """
    kernel = graph("MatMul", graph("MatMul", KERNEL / 24, layer.weight), KERNEL.T / 24)
    kernel = graph("Reshape", kernel, [layer.out_channels, layer.in_channels, 36])
    # A tile is a 4x4 block and two rows and columns of the blocks after it.
    blocks = graph("SpaceToDepth", graph("Pad", x, [0, 0, 1, 1, 0, 0, 3, 3]), blocksize=4)
    blocks = graph("Reshape", blocks, [4, 4, layer.in_channels, tiles + 1, tiles + 1])
    parts, order, places = [], [], torch.arange(36).reshape(6, 6)
    for down, right in itertools.product((0, 1), repeat=2):
        rows, columns = (2 if later else 4 for later in (down, right))
        end = [rows, columns, down + tiles, right + tiles]
        part = graph("Slice", blocks, [0, 0, down, right], end, [0, 1, 3, 4])
        parts.append(graph("Reshape", part, [rows * columns, -1]))
        order.append(places[4 * down :, 4 * right :][:rows, :columns].flatten())
    pixels = torch.kron(PIXELS, PIXELS)[:, torch.cat(order)]
    h = graph("MatMul", pixels, graph("Concat", *parts, axis=0))
    h = graph("Reshape", h, [36, layer.in_channels, -1])
    h = graph("MatMul", graph("Transpose", kernel, perm=[2, 0, 1]), h)
    h = graph("MatMul", torch.kron(RESULT, RESULT), graph("Reshape", h, [36, -1]))
    h = graph("Reshape", h, [1, 16 * layer.out_channels, tiles, tiles])
    h = graph("DepthToSpace", h, blocksize=4)
    return graph("Add", h, layer.bias[:, None, None])


def sides(net: FaceNet) -> dict[nn.Module, int]:
    """The width in pixels of what each convolution makes."""
    found = {}
    hooks = [
        layer.register_forward_hook(lambda layer, _, h: found.update({layer: h.shape[-1]}))
        for layer in net.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    one = torch.ones(1, dtype=torch.long)
    net(torch.zeros(1, 3, net.size, net.size), one, one)
    for hook in hooks:
        hook.remove()
    return found


def upsample(graph: Graph, layer: Upsample, x: str) -> str:
    """Repeated pixels and the 3x3 convolution of them, in one: 2.25 times less work.

    That is a transposed convolution of stride 2, whose 4x4 kernel adds up the weights that meet
    the same pixel.
    """
    meet = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0.0]])
    kernel = graph("Transpose", graph.constant(layer.weight), perm=[1, 0, 2, 3])
    kernel = graph("MatMul", graph("MatMul", meet, kernel), meet.T)
    return graph("ConvTranspose", x, kernel, layer.bias, strides=[2, 2], pads=[1, 1, 1, 1])


def linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    """A linear layer."""
    return graph("Gemm", x, layer.weight, layer.bias, transB=1)


def silu(graph: Graph, x: str) -> str:
    """x sigmoid(x)."""
    return graph("Mul", x, graph("Sigmoid", x))
