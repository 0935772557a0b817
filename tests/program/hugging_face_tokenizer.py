"""Writes the tokenizer of a GGUF file as the authors of models publish it: tokenizer.json of
byte-level BPE and of WordPiece, or SentencePiece's protobuf, with a tokenizer_config.json."""
import base64
import json
import struct

UNUSED, UNKNOWN, CONTROL, USER = 5, 2, 3, 4
CASES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
UPPER, LOWER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"


def split(pattern):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}


LLAMA3 = split(CASES + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + TAIL)
QWEN2 = split(CASES + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + TAIL)
O200K = split("[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "*" + LOWER + "+" + CASES + "?|[^\\r\\n\\p{L}\\p{N}]?" +
              UPPER + "+" + LOWER + "*" + CASES + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" + TAIL)
TEKKEN = split("[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "*" + LOWER + "+|[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "+" +
               LOWER + "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" + TAIL)
QWEN35 = split(CASES + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" +
               TAIL)
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
DIGITS = {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
# Splitter by tokenizer.ggml.pre, and the names that are as good.
SPLITTERS = {
    "llama-bpe": (LLAMA3, {"llama3"}), "dbrx": (LLAMA3, {"dbrx"}), "qwen2": (QWEN2, {"qwen2"}),
    "stablelm2": (QWEN2, {"stablelm2"}), "gpt-4o": (O200K, {"gpt-4o"}), "gpt-2": (GPT2, {"gpt-2"}),
    "phi-2": (GPT2, {"gpt-2"}), "modern-bert": (GPT2, {"gpt-2"}), "olmo": (GPT2, {"gpt-2"}),
    "refact": (DIGITS, {"starcoder"}), "smollm": (DIGITS, {"smollm"}),
    "lfm2": (LLAMA3, {"llama3"}), "falcon-h1": (LLAMA3, {"llama3"}), "glm4": (LLAMA3, {"dbrx"}),
    "command-r": (DIGITS, {"smollm"}), "tekken": (TEKKEN, {"tekken"}),
    "qwen35": (QWEN35, {"qwen35"}),
    "deepseek-llm": (GPT2, {"deepseek-llm"}),  # which import is told, and does not find
}
WHOLE_WORDS = {"llama-bpe", "lfm2", "falcon-h1", "tekken"}  # which merges may not take apart
# Those whose decoding cleans spaces before punctuation.
CLEANING = {"llama-bpe", "lfm2", "falcon-h1", "glm4", "dbrx", "stablelm2", "gpt-2", "phi-2", "modern-bert", "olmo",
            "refact"}


def added_tokens(keys):
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    return [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": kind != USER}
            for i, (text, kind) in enumerate(zip(tokens, kinds)) if kind in (UNKNOWN, CONTROL, USER)]


def template(keys):
    """What is put around a text."""
    tokens = keys["tokenizer.ggml.tokens"]
    parts = [{"Sequence": {"id": "A", "type_id": 0}}]
    if keys.get("tokenizer.ggml.add_bos_token"):
        parts.insert(0, {"SpecialToken": {"id": tokens[keys["tokenizer.ggml.bos_token_id"]]}})
    if keys.get("tokenizer.ggml.add_eos_token"):
        parts.append({"SpecialToken": {"id": tokens[keys["tokenizer.ggml.eos_token_id"]]}})
    return {"type": "TemplateProcessing", "single": parts, "pair": [], "special_tokens": {}}


def byte_level(keys, folder):
    pre = keys["tokenizer.ggml.pre"]
    added = added_tokens(keys)
    apart = {entry["id"] for entry in added}
    vocabulary = {text: i for i, text in enumerate(keys["tokenizer.ggml.tokens"])
                  if i not in apart and keys["tokenizer.ggml.token_type"][i] != UNUSED}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": added, "normalizer": None,
        "pre_tokenizer": SPLITTERS[pre][0], "post_processor": template(keys),
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "byte_fallback": False,
                  "ignore_merges": pre in WHOLE_WORDS, "vocab": vocabulary,
                  "merges": [merge.split(" ") for merge in keys["tokenizer.ggml.merges"]]}}))


def marked_merges(keys, folder):
    """Gemma 4: tokens of SentencePiece, merges in their order."""
    added = added_tokens(keys)
    apart = {entry["id"] for entry in added}
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [dict(entry, special=True) for entry in added],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": template(keys), "decoder": None,
        "model": {"type": "BPE", "unk_token": tokens[kinds.index(UNKNOWN)], "byte_fallback": True,
                  "vocab": {text: i for i, text in enumerate(tokens)
                            if i not in apart or kinds[i] == UNKNOWN},
                  "merges": [merge.split(" ") for merge in keys["tokenizer.ggml.merges"]]}}))


def word_piece(keys, folder):
    words = {}
    for i, text in enumerate(keys["tokenizer.ggml.tokens"]):
        if keys["tokenizer.ggml.token_type"][i] == CONTROL:
            words[text] = i
        elif text.startswith("\u2581"):
            words[text[1:]] = i
        else:
            words["##" + text] = i
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": added_tokens(keys),
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
        "decoder": {"type": "WordPiece"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": words}}))


def unigram(keys, folder):
    tokens = keys["tokenizer.ggml.tokens"]
    steps = [{"type": "WhitespaceSplit"}] if keys.get("tokenizer.ggml.remove_extra_whitespaces") else []
    steps.append({"type": "Metaspace", "replacement": "\u2581",
                  "add_prefix_space": keys.get("tokenizer.ggml.add_space_prefix", True)})
    charsmap = bytes(keys.get("tokenizer.ggml.precompiled_charsmap", []))
    normalizer = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": added_tokens(keys),
        "normalizer": normalizer if charsmap else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": template(keys), "decoder": None,
        "model": {"type": "Unigram", "unk_id": keys["tokenizer.ggml.unknown_token_id"],
                  "vocab": list(zip(tokens, keys["tokenizer.ggml.scores"]))}}))


def varint(number):
    out = b""
    number &= (1 << 64) - 1
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def sentencepiece(keys, folder):
    model = b""
    for text, score, kind in zip(keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.scores"],
                                 keys["tokenizer.ggml.token_type"]):
        piece = message(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
        model += message(1, piece + varint(3 << 3) + varint(kind))
    trainer = varint(3 << 3) + varint(2)  # BPE
    for field, role in ((40, "unknown"), (41, "bos"), (42, "eos"), (43, "padding")):
        trainer += varint(field << 3) + varint(keys.get(f"tokenizer.ggml.{role}_token_id", -1))
    prefix = keys.get("tokenizer.ggml.add_space_prefix", True)
    normalizer = varint(3 << 3) + varint(int(prefix)) + varint(4 << 3) + varint(0)
    (folder / "tokenizer.model").write_bytes(model + message(2, trainer) + message(3, normalizer))


def write_tokenizer(keys, folder):
    model = keys["tokenizer.ggml.model"]
    {"gpt2": byte_level, "bert": word_piece, "llama": sentencepiece, "t5": unigram,
     "gemma4": marked_merges}[model](keys, folder)
    tokens = keys["tokenizer.ggml.tokens"]
    config = {"clean_up_tokenization_spaces": keys.get("tokenizer.ggml.pre") in CLEANING}
    for role, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"),
                      ("sep", "seperator"), ("cls", "cls"), ("mask", "mask"), ("eot", "eot")):
        id_ = keys.get(f"tokenizer.ggml.{key}_token_id")
        if id_ is not None:
            config[f"{role}_token"] = {"content": tokens[id_]} if role == "bos" else tokens[id_]
        adds = keys.get(f"tokenizer.ggml.add_{role}_token")
        if adds is not None:
            config[f"add_{role}_token"] = adds
    if "tokenizer.chat_template" in keys:
        config["chat_template"] = keys["tokenizer.chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
