"""Gemma 3n in plain numpy: AltUp, LAuReL, inputs for each layer, cut gates and shared keys."""
import math

import numpy as np

from ggufw import Reader
from npref import gelu, load

PERIOD, CUTTING_LAYERS, CUTOFF = 5, 10, 1.6448533535003662


def rms(x, gains=None):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return y if gains is None else y * gains


def length(x):
    return np.sqrt((x * x).sum(-1, keepdims=True))


def rotate(x, base):
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None] * base ** (-np.arange(half) / half)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * c - b * s, a * s + b * c], -1)


def attend(q, k, v, window):
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], 1) for x in (k, v))
    back = np.arange(len(q))[:, None] - np.arange(len(q))
    hidden = (back < 0) | (back >= window)
    scores = np.where(hidden, -np.inf, np.einsum("nhd,mhd->hnm", q, k))
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return np.einsum("hnm,mhd->nhd", shares, v).reshape(len(q), -1)


def forward(path, tokens):
    reader = Reader(path)
    key = lambda name: reader.kv["gemma3n." + name]
    tensor = lambda name: load(reader, name + ".weight")
    layers, width, inputs = (key(n) for n in ("block_count", "attention.key_length",
                                              "embedding_length_per_layer_input"))
    n, own = len(tokens), layers - key("attention.shared_kv_layers")
    heads = lambda x: x.reshape(n, -1, width)

    embedding = tensor("token_embd")
    size = embedding.shape[1]
    x = embedding[tokens] * math.sqrt(size)
    projected = (x @ tensor("per_layer_model_proj").T / math.sqrt(size)).reshape(n, layers, inputs)
    given = tensor("per_layer_token_embd")[tokens].reshape(n, layers, inputs) * math.sqrt(inputs)
    given = (rms(projected, tensor("per_layer_proj_norm")) + given) / math.sqrt(2)
    others = np.einsum("nd,sed->sne", x, tensor("altup_proj"))
    streams = np.concatenate([x[None], others * length(x) / length(others)])
    remembered = {}
    for l in range(layers):
        w = lambda name: tensor(f"blk.{l}.{name}")
        modes = lambda row: np.tanh(rms(row, w("altup_router_norm")) / size @ w("altup_router").T)
        mixture = (modes(streams[0]) @ w("altup_predict_coef").T).reshape(n, *[len(streams)] * 2)
        predicted = streams + np.einsum("nts,snd->tnd", mixture, streams)
        active = predicted[0]
        h = rms(active, w("attn_norm"))
        way = h + rms(h @ w("laurel_l").T @ w("laurel_r").T, w("laurel_post_norm"))
        local = l % PERIOD < PERIOD - 1
        base = key("rope.freq_base_swa" if local else "rope.freq_base")
        if l < own:
            k, v = heads(h @ w("attn_k").T), heads(h @ w("attn_v").T)
            remembered[local] = rotate(rms(k, w("attn_k_norm")), base), rms(v)
        q = rotate(rms(heads(h @ w("attn_q").T), w("attn_q_norm")), base)
        window = key("attention.sliding_window") if local else n
        attended = attend(q, *remembered[local], window) @ w("attn_output").T
        x = (active + rms(attended, w("post_attention_norm")) + way) / math.sqrt(2)
        h = rms(x, w("ffn_norm"))
        gates = h @ w("ffn_gate").T
        if l < CUTTING_LAYERS:
            middle, deviation = gates.mean(-1, keepdims=True), gates.std(-1, ddof=1, keepdims=True)
            gates = np.maximum(gates - (middle + CUTOFF * deviation), 0)
        fed = gelu(gates) * (h @ w("ffn_up").T) @ w("ffn_down").T
        x = x + rms(fed, w("post_ffw_norm"))
        shares = 1 + modes(x) @ w("altup_correct_coef").T
        streams = predicted + (x - active) * shares.T[:, :, None]
        gate = gelu(streams[0] * w("altup_correct_scale") @ w("inp_gate").T) * given[:, l]
        streams[1:] += rms(gate @ w("proj").T, w("post_norm"))
    x = streams[0].copy()
    for stream, back in zip(streams[1:], tensor("altup_unembd_proj")):
        x += stream @ back.T * length(streams[0]) / length(stream @ back.T)
    logits = rms(x / len(streams), tensor("output_norm")) @ embedding.T
    return 30 * np.tanh(logits / 30)
