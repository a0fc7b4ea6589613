"""A network of a public collection with an example of what it takes, for `zoo.py` and `variants.py`.

Each function returns a function that makes {"module", "args" or "kwargs", "output", "dtype"}.
"""
from tests.peers import libraries

torch = libraries.torch
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 50,
        "max_position_embeddings": 32}
BERT = {**TINY, "type_vocab_size": 2, "pad_token_id": 0}
LLAMA = {**TINY, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PICTURE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
           "image_size": 16, "patch_size": 4, "num_channels": 3}
SPEECH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
          "conv_dim": (8, 8), "conv_stride": (5, 2), "conv_kernel": (10, 3), "num_feat_extract_layers": 2,
          "vocab_size": 20, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
T5 = {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}


def images(module, size, count=2, **more):
    return {"module": module, "args": (torch.randn(count, 3, size, size),), **more}


def of_timm(name, size):
    """A model of timm, for pictures of the first of these sizes that it takes."""
    def make():
        module = libraries.load("timm").create_model(name, pretrained=False).eval()
        for pixels in sorted({size, 128, 256} if size < 128 else {size}):
            try:
                with torch.no_grad():
                    module(torch.zeros(1, 3, pixels, pixels))
                break
            except Exception:
                continue
        return images(module, pixels)
    return make


def configured(name, config, given, output="last_hidden_state", part=None, **more):
    """A model of transformers, or a part of it; given: a function that makes its inputs, by their names."""
    def make():
        library = libraries.load("transformers")
        torch.manual_seed(0)
        module = getattr(library, name)(getattr(library, config)(**more))
        return {"module": module.get_submodule(part) if part else module, "kwargs": given(), "output": output}
    return make


def ids(name, config, output="last_hidden_state", **more):
    return configured(name, config, lambda: {"input_ids": torch.randint(3, 50, (2, 11))}, output, **more)


def pixels(name, config, output="last_hidden_state", size=16, **more):
    return configured(name, config, lambda: {"pixel_values": torch.randn(2, 3, size, size)}, output, **more)


def sound(name, config, output="last_hidden_state", **more):
    return configured(name, config, lambda: {"input_values": torch.randn(2, 400)}, output, **more)
