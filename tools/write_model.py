"""The arrays of `language_model.py` as a GGUF file."""
import numpy as np

from block_formats import content
from gguf_file import metadata_of, write


def metadata(shape, name, tokenizer, template):
    """tokenizer: the metadata of the file with the vocabulary; its keys are taken over."""
    plain = {"general.architecture": "llama", "general.name": name,
             "llama.context_length": shape.context, "llama.embedding_length": shape.width,
             "llama.block_count": shape.layers, "llama.feed_forward_length": shape.feed_forward,
             "llama.attention.head_count": shape.heads,
             "llama.attention.head_count_kv": shape.kv_heads,
             "llama.attention.layer_norm_rms_epsilon": float(shape.epsilon),
             "llama.rope.dimension_count": shape.head_width,
             "llama.rope.freq_base": float(shape.rope_base), "llama.vocab_size": shape.vocabulary}
    if shape.experts:
        plain |= {"llama.expert_count": shape.experts, "llama.expert_used_count": shape.experts_used}
    result = {key: metadata_of(value) for key, value in plain.items()}
    result |= {k: v for k, v in tokenizer.items() if k.startswith("tokenizer.")}
    if template:
        result["tokenizer.chat_template"] = metadata_of(template)
    return result


def write_model(path, kind, shape, name, tokenizer, template, arrays):
    """Matrices in the format `kind`; norms and routers stay F32."""
    tensors = {"token_embd.weight": content(kind, arrays["token_embd"]),
               "output_norm.weight": content("f32", arrays["output_norm"])}
    for l in range(shape.layers):
        for part, array in arrays.items():
            if part in ("token_embd", "output_norm"):
                continue
            one = array[l]
            label = f"blk.{l}.{part}"
            if shape.experts and part in ("ffn_gate", "ffn_up", "ffn_down"):
                one, label = one.reshape(shape.experts, -1, one.shape[-1]), label + "_exps"
            small = "norm" in part or part == "ffn_gate_inp"
            tensors[label + ".weight"] = content("f32" if small else kind, np.asarray(one))
    write(path, metadata(shape, name, tokenizer, template), tensors)
