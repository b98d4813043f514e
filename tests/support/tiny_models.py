"""Small real sentence-transformers models with random weights and a vocabulary of letters, made without the network."""

from __future__ import annotations

import shutil
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'-/"


def letters() -> Tokenizer:
    """A WordPiece tokenizer that knows single characters, at the beginning of a word and inside it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokens = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({token: at for at, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def bert(folder: Path, *, seed=1, dim=32, pooling="mean", normalize=True, prompts=None, longest=40) -> Path:
    """A BERT of two layers with its pooling, prompts and, if asked for, normalisation, saved in ``folder``."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    raw, tokenizer = folder.with_name(f"{folder.name}-raw"), letters()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=dim, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=2 * dim, max_position_embeddings=longest, initializer_range=0.4,
    )  # fmt: skip
    BertModel(config).save_pretrained(raw)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **special).save_pretrained(raw)
    modules = [Transformer(str(raw)), Pooling(dim, pooling_mode=pooling), *([Normalize()] if normalize else [])]
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder))
    shutil.rmtree(raw)
    return folder


def static(folder: Path, *, dim=16) -> Path:
    """A table of token vectors, added up: a model that no graph over ids and mask can be made of."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    SentenceTransformer(modules=[StaticEmbedding(letters(), embedding_dim=dim)], device="cpu").save(str(folder))
    return folder
