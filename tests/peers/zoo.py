"""Families of public architectures, of each the smallest: what `families.py` makes the table of.

Each collection is a dictionary: name -> a function that makes {"module", "args" or "kwargs", "output", "dtype"}.
"""
from tests.peers import libraries, variants
from tests.peers.examples import BERT, LLAMA, PICTURE, SPEECH, T5, TINY, configured, ids, images, of_timm, pixels, sound
from tests.peers.odd import ODD

torch = libraries.torch
# the smallest variant of each module of timm that has one, with the pixels on a side that it takes
TIMM: dict[str, tuple[str, int]] = {
    "beit": ("beit_base_patch16_224", 224), "byoanet": ("halonet_h1", 64), "byobnet": ("test_byobnet", 64),
    "cait": ("cait_xxs24_224", 224), "coat": ("coat_tiny", 224), "convit": ("convit_tiny", 224),
    "convmixer": ("convmixer_768_32", 64), "convnext": ("test_convnext", 64), "cpubone": ("cpubone_nano", 64),
    "crossvit": ("crossvit_tiny_240", 240), "csatv2": ("csatv2", 64), "cspnet": ("cs3darknet_focus_s", 64),
    "cspnext": ("cspnext_tiny", 64), "davit": ("davit_tiny", 64), "deepseek_vit": ("deepseek_vit_412m", 224),
    "deit": ("deit_tiny_patch16_224", 224), "densenet": ("densenet121", 64), "dla": ("dla46x_c", 64),
    "dpn": ("dpn48b", 64), "edgenext": ("edgenext_xx_small", 64), "efficientformer": ("efficientformer_l1", 224),
    "efficientformer_v2": ("efficientformerv2_s0", 224), "efficientnet": ("test_efficientnet", 64),
    "efficientvim": ("efficientvim_m1", 64), "efficientvit_mit": ("efficientvit_b0", 64),
    "efficientvit_msra": ("efficientvit_m0", 224), "eva": ("vit_tiny_patch16_dinov3_qkvb", 256),
    "fasternet": ("fasternet_t0", 64), "fastvit": ("fastvit_s12", 64), "focalnet": ("focalnet_tiny_srf", 64),
    "gcvit": ("gcvit_xxtiny", 224), "gemma4_vit": ("gemma4_vit_167m", 64), "ghostnet": ("ghostnet_050", 64),
    "hardcorenas": ("hardcorenas_b", 64), "hgnet": ("hgnetv2_b0", 64), "hiera": ("hiera_tiny_224", 224),
    "hieradet_sam2": ("sam2_hiera_tiny", 64), "hrnet": ("hrnet_w18_small", 64), "iformer": ("iformer_t", 64),
    "inception_next": ("inception_next_atto", 64), "inception_resnet_v2": ("inception_resnet_v2", 64),
    "inception_v3": ("inception_v3", 64), "inception_v4": ("inception_v4", 64), "lcnetv2": ("lcnetv2_small", 64),
    "levit": ("levit_128s", 224), "lowformer": ("lowformer_b0", 64), "mambaout": ("test_mambaout", 64),
    "maxxvit": ("test_coatnet", 160), "metaformer": ("poolformerv2_s12", 64), "mlp_mixer": ("gmlp_ti16_224", 224),
    "mobilenetv3": ("mobilenetv3_small_050", 64), "mobilenetv5": ("mobilenetv5_base", 64),
    "mobilevit": ("mobilevit_xxs", 64), "mvitv2": ("mvitv2_tiny", 224),
    "naflexvit": ("naflexvit_base_patch16_parfac_gap", 64), "nasnet": ("nasnetalarge", 64), "nest": ("nest_tiny", 224),
    "nextvit": ("nextvit_small", 64), "nfnet": ("test_nfnet", 64), "pit": ("pit_ti_224", 224),
    "pnasnet": ("pnasnet5large", 64), "pvt_v2": ("pvt_v2_b0", 64), "qwen3_vit": ("qwen3_vit_88m", 64),
    "rdnet": ("rdnet_tiny", 64), "regnet": ("regnetx_002", 64), "repghost": ("repghostnet_050", 64),
    "repvit": ("repvit_m1", 64), "res2net": ("res2next50", 64), "resnest": ("resnest14d", 64),
    "resnet": ("test_resnet", 64), "resnetv2": ("resnetv2_18", 64), "rexnet": ("rexnet_100", 64),
    "selecsls": ("selecsls42", 64), "senet": ("legacy_seresnet18", 64), "sequencer": ("sequencer2d_s", 224),
    "shvit": ("shvit_s1", 64), "sknet": ("skresnet18", 64), "starnet": ("starnet_s050", 64),
    "swiftformer": ("swiftformer_xs", 224), "swin_transformer": ("swin_tiny_patch4_window7_224", 224),
    "swin_transformer_v2": ("swinv2_tiny_window8_256", 256), "swin_transformer_v2_cr": ("swinv2_cr_tiny_224", 224),
    "tiny_vit": ("tiny_vit_5m_224", 64), "tnt": ("tnt_s_legacy_patch16_224", 224), "tresnet": ("tresnet_m", 64),
    "twins": ("twins_svt_small", 224), "vgg": ("vgg11", 64), "visformer": ("visformer_tiny", 224),
    "vision_transformer": ("test_vit", 160), "vision_transformer_hybrid": ("vit_tiny_r_s16_p8_224", 224),
    "vision_transformer_relpos": ("test_vit_relpos", 160), "vision_transformer_sam": ("samvit_base_patch16_224", 224),
    "vitamin": ("vitamin_small_224", 224), "volo": ("volo_d1_224", 224), "vovnet": ("ese_vovnet19b_slim_dw", 64),
    "xception": ("legacy_xception", 64), "xception_aligned": ("xception41p", 64), "xcit": ("xcit_nano_12_p8_224", 224)
}


def timm():
    return {module: of_timm(name, size) for module, (name, size) in TIMM.items()}


TORCHVISION = {"alexnet": 96, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64, "efficientnet_v2_s": 64,
               "googlenet": 96, "inception_v3": 128, "maxvit_t": 224, "mnasnet0_5": 64, "mobilenet_v2": 64,
               "mobilenet_v3_small": 64, "regnet_x_400mf": 64, "regnet_y_400mf": 64, "resnet18": 64,
               "resnext50_32x4d": 64, "shufflenet_v2_x0_5": 64, "squeezenet1_1": 64, "swin_t": 64, "swin_v2_t": 64,
               "vgg11": 64, "vgg11_bn": 64, "vit_b_32": 224, "wide_resnet50_2": 64, "fcn_resnet50": 64,
               "deeplabv3_mobilenet_v3_large": 64, "lraspp_mobilenet_v3_large": 64}


def torchvision():
    library = libraries.load("torchvision")

    def made(name, size):
        if hasattr(library.models.segmentation, name):
            return images(getattr(library.models.segmentation, name)(
                weights=None, weights_backbone=None, num_classes=4), size, output="out")
        more = {"init_weights": False, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
        return images(getattr(library.models, name)(weights=None, **more), size)
    return {name: lambda name=name, size=size: made(name, size) for name, size in TORCHVISION.items()}


SEGMENTATION = {"Unet": 64, "UnetPlusPlus": 64, "MAnet": 64, "Linknet": 64, "FPN": 64, "PSPNet": 64, "PAN": 256,
                "DeepLabV3": 64, "DeepLabV3Plus": 64, "UPerNet": 64, "Segformer": 64}


def segmentation():
    library = libraries.load("segmentation_models_pytorch")
    return {name: lambda name=name, size=size: images(getattr(library, name)(
        "resnet18", encoder_weights=None, classes=2), size) for name, size in SEGMENTATION.items()}


def transformers():
    library = libraries.load("transformers")
    swin = {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [1, 2], "window_size": 4}
    clip = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    return {
        "bert": ids("BertModel", "BertConfig", **BERT),
        "distilbert": ids("DistilBertModel", "DistilBertConfig", vocab_size=50, dim=16, n_layers=2, n_heads=2,
                          hidden_dim=24, max_position_embeddings=32),
        "roberta": ids("RobertaModel", "RobertaConfig", **{**BERT, "pad_token_id": 1}),
        "electra": ids("ElectraModel", "ElectraConfig", embedding_size=8, **BERT),
        "albert": ids("AlbertModel", "AlbertConfig", embedding_size=8, **BERT),
        "deberta_v2": ids("DebertaV2Model", "DebertaV2Config", relative_attention=True, pos_att_type=["p2c", "c2p"],
                          position_buckets=8, **BERT),
        "xlm_roberta": ids("XLMRobertaModel", "XLMRobertaConfig", **{**BERT, "pad_token_id": 1}),
        "big_bird": ids("BigBirdModel", "BigBirdConfig", attention_type="original_full", **BERT),
        "modernbert": ids("ModernBertModel", "ModernBertConfig", **{
            **TINY, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}),
        "gpt2": ids("GPT2Model", "GPT2Config", vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32),
        "gpt_neox": ids("GPTNeoXModel", "GPTNeoXConfig", **TINY),
        "opt": ids("OPTModel", "OPTConfig", vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                   ffn_dim=24, max_position_embeddings=32, word_embed_proj_dim=16),
        "llama": ids("LlamaModel", "LlamaConfig", **LLAMA),
        "mistral": ids("MistralModel", "MistralConfig", **LLAMA),
        "qwen2": ids("Qwen2Model", "Qwen2Config", **LLAMA),
        "qwen3": ids("Qwen3Model", "Qwen3Config", **LLAMA),
        "gemma": ids("GemmaModel", "GemmaConfig", **LLAMA),
        "gemma2": ids("Gemma2Model", "Gemma2Config", **LLAMA),
        "t5_encoder": ids("T5EncoderModel", "T5Config", **T5),
        "vit": pixels("ViTModel", "ViTConfig", **PICTURE),
        "dinov2": pixels("Dinov2Model", "Dinov2Config", **{**PICTURE, "mlp_ratio": 2}),
        "clip_vision": pixels("CLIPVisionModel", "CLIPVisionConfig", image_size=16, patch_size=4, **clip),
        "clip_text": ids("CLIPTextModel", "CLIPTextConfig", vocab_size=50, max_position_embeddings=32, **clip),
        "siglip": pixels("SiglipVisionModel", "SiglipVisionConfig", image_size=16, patch_size=4, **clip),
        "beit": pixels("BeitModel", "BeitConfig", use_relative_position_bias=True, **PICTURE),
        "swin": pixels("SwinModel", "SwinConfig", **swin),
        "swinv2": pixels("Swinv2Model", "Swinv2Config", **swin),
        "segformer": pixels("SegformerModel", "SegformerConfig", size=32, num_encoder_blocks=2, depths=[1, 1],
                            sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2],
                            num_attention_heads=[1, 2], mlp_ratios=[2, 2]),
        "convnext": pixels("ConvNextModel", "ConvNextConfig", size=32, depths=[1, 1], hidden_sizes=[8, 16],
                           num_stages=2),
        "convnextv2": pixels("ConvNextV2Model", "ConvNextV2Config", size=32, depths=[1, 1], hidden_sizes=[8, 16],
                             num_stages=2),
        "mobilevit": pixels("MobileViTModel", "MobileViTConfig", size=64, image_size=64, hidden_sizes=[8, 12, 16],
                            neck_hidden_sizes=[8, 8, 12, 12, 16, 16, 16], num_attention_heads=2),
        "whisper_encoder": lambda: {
            "module": library.WhisperModel(library.WhisperConfig(
                vocab_size=50, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
                decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, num_mel_bins=8,
                max_source_positions=10, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                decoder_start_token_id=1)).encoder,
            "kwargs": {"input_features": torch.randn(2, 8, 20)}, "output": "last_hidden_state"},
        "wav2vec2": sound("Wav2Vec2Model", "Wav2Vec2Config", **SPEECH),
        "hubert": sound("HubertModel", "HubertConfig", **SPEECH),
        "ast": configured("ASTModel", "ASTConfig", lambda: {"input_values": torch.randn(2, 24, 16)}, hidden_size=16,
                          num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, patch_size=8,
                          frequency_stride=8, time_stride=8, max_length=24, num_mel_bins=16),
        "patchtst": configured("PatchTSTModel", "PatchTSTConfig", lambda: {"past_values": torch.randn(2, 32, 3)},
                               num_input_channels=3, context_length=32, patch_length=4, patch_stride=4,
                               num_hidden_layers=2, d_model=16, num_attention_heads=2, ffn_dim=24),
        "mamba": ids("MambaModel", "MambaConfig", vocab_size=50, hidden_size=8, state_size=4, num_hidden_layers=2,
                     use_cache=False, use_mambapy=False),
        "token_classifier": ids("BertForTokenClassification", "BertConfig", "logits", **BERT),
        "question_answerer": ids("BertForQuestionAnswering", "BertConfig", "start_logits", **BERT),
        "t5": lambda: {"module": library.T5Model(library.T5Config(use_cache=False, decoder_start_token_id=0, **T5)),
                       "kwargs": {"input_ids": torch.randint(3, 50, (2, 7)),
                                  "decoder_input_ids": torch.randint(3, 50, (2, 5))}, "output": "last_hidden_state"},
    }


def with_embeddings(made):
    """The same transformers from embeddings in place of ids."""
    def changed(make):
        def again():
            entry = make()
            module, kwargs = entry["module"], dict(entry["kwargs"])
            tokens = kwargs.pop("input_ids")
            table = module.get_input_embeddings().weight
            return {**entry, "kwargs": {"inputs_embeds": table[tokens].detach().clone(), **kwargs}}
        return again
    return {name: changed(make) for name, make in made.items() if name not in WITHOUT_TOKENS}


WITHOUT_TOKENS = {"vit", "dinov2", "clip_vision", "siglip", "beit", "swin", "swinv2", "segformer", "convnext",
                  "convnextv2", "mobilevit", "whisper_encoder", "wav2vec2", "hubert", "ast", "patchtst", "clip_text"}


def with_mask(made):
    """The same transformers with a mask for each sequence: the second one is shorter."""
    def changed(make):
        def again():
            entry = make()
            mask = torch.ones(2, 11, dtype=torch.long)
            mask[1, 8:] = 0
            return {**entry, "kwargs": {**entry["kwargs"], "attention_mask": mask}}
        return again
    return {name: changed(make) for name, make in made.items() if name not in (
        WITHOUT_TOKENS - {"clip_text"}) | {"mamba", "t5"}}


COLLECTIONS = {"timm": timm, "torchvision": torchvision, "segmentation": segmentation, "transformers": transformers,
               "embeddings": lambda: with_embeddings(transformers()), "masks": lambda: with_mask(transformers()),
               "odd": lambda: ODD,
               "variants": variants.timm, "others": variants.transformers}
LIBRARY = {"timm": "timm", "torchvision": "torchvision", "segmentation": "segmentation_models_pytorch",
           "transformers": "transformers", "embeddings": "transformers", "masks": "transformers", "odd": "torch",
           "variants": "timm", "others": "transformers"}
VERSIONS = "torch 2.13.0, timm 1.0.31, torchvision 0.28.0, transformers 5.24.0, segmentation-models-pytorch 0.6.0"
SAMPLE = [("timm", "resnet"), ("timm", "starnet"), ("timm", "pvt_v2"), ("timm", "regnet"),
          ("timm", "vision_transformer_relpos"), ("torchvision", "squeezenet1_1"), ("torchvision", "densenet121"),
          ("torchvision", "mobilenet_v2"), ("segmentation", "FPN"), ("transformers", "roberta"),
          ("transformers", "swin"), ("embeddings", "gpt2"), ("masks", "bert")]
