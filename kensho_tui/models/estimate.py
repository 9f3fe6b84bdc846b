"""The memory a model will take, in closed form from its header: nothing is opened, allocated or run.

What llama.cpp allocates is the tensors of the file, the KV cache, one compute buffer in which the tensors
of a graph come and go, and a row of logits. The first two and the last are sums. The compute buffer is as
large as its widest moment, and the terms below say what lives then. They were read off the allocator of
llama-cpp-python 0.3.36 over shapes made for it, and hold to 1 % of the whole for dense models, sliding
windows and mixtures of experts: `benchmarks/estimate.py` prints the table.

Where the closed form does not hold (`holds` is false) the result is meant as an upper bound: a recurrent
layer's state is taken at the largest of the published families, layers whose kind the header does not tell
count as attention, and the compute buffer doubly; so it was for Mamba, LFM2 and DeepSeek V2. On a GPU the
device's own terms are the same sums, but nothing here was compared with a driver's figures.
"""

import re
from dataclasses import dataclass, replace

from kensho_tui.core.frames import Buffers
from kensho_tui.core.model_contract import KvType
from kensho_tui.core.model_info import Footprint
from kensho_tui.models.gguf.shape import ModelShape

F32 = 4
CELLS = 256
"""llama.cpp rounds a context, and a sliding window's cache, up to multiples of this."""
BATCH_CPU, BATCH_GPU = 256, 512
"""As `worker.model` has them."""

# Of an element; the quantised ones are blocks of 32 with a 16-bit scale.
_KV_BYTES: dict[KvType, float] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
BLOCK = 32
# The worker itself: interpreter, llama.cpp's libraries, graphs; and per token of the vocabulary its text and
# the maps that find it. Measured with both models of the tests, after an answer.
PROCESS = 24 << 20
PROCESS_PER_TOKEN = 112
# A driver's context on the card, which no figure of llama.cpp shows: CUDA 320 to 460 MiB, HIP about 400.
DRIVER_CONTEXT = 440 << 20
# Floats of state per embedding element and recurrent layer: 128 x 2 in Mamba 2 and in gated delta nets.
_STATE = 256


@dataclass(frozen=True)
class LoadShape:
    """What a load asks for. ``context`` and ``batch`` in tokens (0: as trained, by device), ``gpu_layers``
    -1: all.

    ``flash``: fused attention, which llama.cpp uses wherever the device can. ``gpu``: layers go to one.
    """

    context: int
    kv_type: KvType = "f16"
    batch: int = 0
    gpu_layers: int = -1
    flash: bool = True
    gpu: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.gpu and self.gpu_layers != 0


def usual_batch(*, on_gpu: bool) -> int:
    """Tokens of a batch when none is asked for."""
    return BATCH_GPU if on_gpu else BATCH_CPU


def holds(shape: ModelShape) -> bool:
    """Whether the closed form is exact for this kind of model, and not only an upper bound."""
    return not (shape.recurrent or shape.latent)


def estimate(shape: ModelShape, load: LoadShape) -> Footprint:
    """Bytes on the device that the layers run on, and in ``host`` what stays in RAM beside a GPU."""
    weights, weights_host = split_weights(shape, load)
    by_layer = _kv_by_layer(shape, load)
    first = first_gpu_layer(shape, load) if load.on_gpu else 0
    compute, output = _compute(shape, load), F32 * shape.vocabulary
    if not load.on_gpu:
        return Footprint(
            weights=weights, kv=sum(by_layer), compute=compute + output, overhead=process_overhead(shape)
        )
    kv, kv_host = sum(by_layer[first:]), sum(by_layer[:first])
    # With layers on both sides each side has a compute buffer. The CPU's weights are copied over for long
    # prompts, one matrix at a time; a feed-forward block is three.
    compute_host = compute if first else _inputs(shape, load) + F32 * _batch(shape, load) * shape.embedding
    copied = max(_layer_weights(shape)[:first], default=0) // 3
    return Footprint(
        weights=weights,
        kv=kv,
        compute=compute + copied,
        overhead=DRIVER_CONTEXT,
        host=weights_host + kv_host + compute_host + output + process_overhead(shape),
    )


def context_of(shape: ModelShape, load: LoadShape) -> int:
    """Tokens that the load will get: never more than the model was trained for, which is also the default."""
    asked = load.context if load.context > 0 else shape.trained_context
    return max(min(asked, shape.trained_context or asked), 1)


def may_quantise(shape: ModelShape) -> bool:
    """Whether the KV cache may be quantised: keys and values must fill blocks of 32, llama.cpp refuses all
    others.
    """
    return shape.key_length % BLOCK == 0 and shape.value_length % BLOCK == 0


def process_overhead(shape: ModelShape) -> int:
    """RAM of the worker beside llama.cpp's buffers."""
    return PROCESS + PROCESS_PER_TOKEN * shape.vocabulary


def measured(buffers: Buffers, on_gpu: bool, driver: int = DRIVER_CONTEXT) -> Footprint:
    """What a real load took. ``driver``: the driver's context on the card, where that was measured too.

    In RAM the total is what the process really needs: pages of the model file, and memory of its own. A
    CPU copies some quantised matrices into a layout that it reads faster; the copies are ``copies`` of
    ``weights``, and the pages they were made from are not read again, so neither counts twice.
    """
    if on_gpu:
        own = max(buffers.rss - (buffers.host - buffers.mapped), 0)
        overhead, host, copies = driver, buffers.host + own, 0
        if not (buffers.weights or buffers.kv or buffers.compute):
            overhead = 0
    else:
        copies = max(buffers.weights - buffers.mapped, 0)
        overhead = max(buffers.rss - copies - buffers.kv - buffers.compute, 0)
        host = 0
    return Footprint(
        weights=buffers.weights,
        kv=buffers.kv,
        compute=buffers.compute,
        overhead=overhead,
        host=host,
        copies=copies,
        source="measured",
    )


def largest_context(shape: ModelShape, load: LoadShape, budget: int, most: int) -> int:
    """The largest multiple of 256 tokens up to `most` with which the model takes at most `budget` bytes of
    its device, by bisection; 0 when none does.
    """
    most = min(most, shape.trained_context or most)
    fits, too_many = 0, most // CELLS + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if estimate(shape, replace(load, context=middle * CELLS)).total <= budget:
            fits = middle
        else:
            too_many = middle
    return fits * CELLS


def kensho_formula(shape: ModelShape) -> int:
    """(parameters x bits / 8) x 1.2 in bytes, with the bits that the quantisation's name promises: the rule
    of thumb that Kensho used, for comparison.
    """
    nominal = re.search(r"\d+", shape.quantisation)
    bits = float(nominal.group()) if nominal else shape.bits
    return int(shape.parameters * bits / 8 * 1.2)


# --- weights ----------------------------------------------------------------------------------------


def first_gpu_layer(shape: ModelShape, load: LoadShape) -> int:
    """Blocks from this one on are the GPU's. llama.cpp counts the output head as one more layer, the first
    to go there.
    """
    if load.gpu_layers < 0:
        return 0
    return min(max(shape.layers + 1 - load.gpu_layers, 0), shape.layers)


def split_weights(shape: ModelShape, load: LoadShape) -> tuple[int, int]:
    """Tensor bytes on the device and in RAM beside it.

    The token embedding always stays in RAM; where it is the output head too, the GPU gets its own copy.
    """
    if not load.on_gpu:
        return shape.weights, 0
    first = first_gpu_layer(shape, load)
    blocks = _layer_weights(shape)
    head = shape.output_weights + shape.draft_weights + (shape.input_weights if shape.tied else 0)
    return sum(blocks[first:]) + head, sum(blocks[:first]) + shape.input_weights


def _layer_weights(shape: ModelShape) -> tuple[int, ...]:
    if len(shape.layer_weights) == shape.layers:
        return shape.layer_weights
    between = max(shape.weights - shape.input_weights - shape.output_weights - shape.draft_weights, 0)
    return (between // max(shape.layers, 1),) * shape.layers


# --- KV cache ---------------------------------------------------------------------------------------


def _cells(shape: ModelShape, load: LoadShape) -> tuple[int, int]:
    """Tokens that the full cache and the sliding window's have room for (0: there is none)."""
    full = _padded(context_of(shape, load))
    if not any(shape.sliding) or not shape.window:
        return full, 0
    return full, _padded(min(full, shape.window + _batch(shape, load)))


def _padded(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS


def _batch(shape: ModelShape, load: LoadShape) -> int:
    batch = load.batch or usual_batch(on_gpu=load.on_gpu)
    return min(batch, _padded(context_of(shape, load)))


def _kv_by_layer(shape: ModelShape, load: LoadShape) -> list[int]:
    """Bytes of keys and values, and of recurrent state, by layer."""
    full, windowed = _cells(shape, load)
    per_element = _KV_BYTES[load.kv_type]
    sizes = []
    for layer in range(shape.layers):
        slides = bool(windowed) and layer < len(shape.sliding) and shape.sliding[layer]
        key, value = shape.key_length, shape.value_length
        if slides:
            key, value = shape.key_length_swa or key, shape.value_length_swa or value
        heads = shape.kv_heads[layer] if layer < len(shape.kv_heads) else 0
        if shape.latent and heads == 1:
            value = 0  # the values are the first part of the one key that all heads share
        size = int(heads * (key + value) * per_element * (windowed if slides else full))
        if shape.recurrent and not heads:
            size += F32 * _STATE * shape.embedding
        sizes.append(size)
    return sizes


# --- compute buffer ---------------------------------------------------------------------------------


def _inputs(shape: ModelShape, load: LoadShape) -> int:
    """What is put in before each batch: tokens and positions, the cells they go to, the attention masks."""
    full, windowed = _cells(shape, load)
    caches = 2 if windowed else 1
    # Where a value goes is one index with fused attention, and one per element without: values lie
    # transposed then.
    values = 1 if load.flash else max(shape.kv_heads, default=0) * shape.value_length
    indices = 2 * F32 + caches * 8 * (1 + values)
    mask = (2 if load.flash else F32) * (full + windowed)
    return _batch(shape, load) * (indices + mask)


def _rotation(shape: ModelShape, load: LoadShape) -> int:
    """Matrices that turn keys and values before they are quantised: as large as the greatest power of two
    that divides a key, 64 for values; none where 64 does not divide it.
    """
    if load.kv_type == "f16" or not shape.key_length or shape.key_length % 64:
        return 0
    width = shape.key_length & -shape.key_length
    caches = 2 if _cells(shape, load)[1] else 1
    return F32 * caches * (width * width + 64 * 64)


def _compute(shape: ModelShape, load: LoadShape) -> int:
    """The compute buffer: inputs, and the widest of feed-forward, attention and logits. One row of logits
    is asked for per batch, as the worker does.
    """
    batch = _batch(shape, load)
    rotation = _rotation(shape, load)
    elements = max(
        _feed_forward(shape, in_place=load.flash and not rotation),
        _attention(shape, _cells(shape, load), load),
    )
    widest = F32 * max(batch * elements, shape.vocabulary + batch * 2 * shape.embedding)
    size = _inputs(shape, load) + rotation + widest
    return size if holds(shape) else 2 * size


def _feed_forward(shape: ModelShape, *, in_place: bool) -> int:
    """Elements per token while a feed-forward block is at its widest.

    Gate, up and their product; residual, normed input and one hole of the embedding's size; and the block
    that attention left, too small to be used again. What of that is used again depends on which is
    larger, because the allocator takes the smallest hole that fits. ``in_place``: attention writes over
    its query; where it does not (turned keys, no fused attention) its blocks lie otherwise.
    """
    embedding, query = shape.embedding, max(shape.heads, default=0) * shape.key_length
    wide = shape.feed_forward * max(shape.experts_used, 1)
    rest = 3 * embedding + query
    if shape.experts_used:
        # The experts' outputs are summed last; they fit where gate and up were, or they do not.
        outputs = embedding * shape.experts_used
        rest += outputs if outputs > 2 * wide else 0
        wide = max(wide, shape.dense_feed_forward)  # some begin with blocks that are no mixture
    elif wide <= query:
        return 2 * wide + rest
    elif wide <= embedding + query:
        return 3 * wide + rest - embedding
    if not in_place and query <= embedding:
        rest += -query if query == embedding else query
    return 3 * wide + rest


def _attention(shape: ModelShape, cells: tuple[int, int], load: LoadShape) -> int:
    """Elements per token while attention is at its widest; without fused attention with all its scores."""
    heads = max(shape.heads, default=0)
    query, kept = heads * shape.key_length, max(shape.kv_heads, default=0) * shape.key_length
    if load.flash:
        return 3 * shape.embedding + 2 * query + 2 * kept
    return 3 * shape.embedding + 2 * query + heads * cells[0]
