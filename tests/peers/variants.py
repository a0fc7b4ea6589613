"""Variants of the families in `zoo.py`, and families beside them, to see how far what is read reaches."""
from tests.peers import libraries
from tests.peers.examples import BERT, LLAMA, PICTURE, SPEECH, T5, TINY, configured, ids, of_timm, pixels, sound

torch = libraries.torch
TIMM: dict[str, int] = {
    "resnet26t": 64, "resnet101d": 64, "resnetaa50": 64, "ecaresnet26t": 64, "resnetblur50": 64,
    "seresnext26t_32x4d": 64, "gcresnext26ts": 64, "bat_resnext26ts": 256, "lambda_resnet26t": 128,
    "botnet26t_256": 256, "sebotnet33ts_256": 256, "eca_halonext26ts": 64, "haloregnetz_b": 64, "regnetz_b16": 64,
    "regnetv_040": 64, "regnety_002": 64, "tf_efficientnetv2_b0": 64, "tf_efficientnet_lite0": 64,
    "tf_efficientnet_b0": 64, "mixnet_s": 64, "efficientnet_es": 64, "mobilenetv4_conv_small": 64,
    "mobilenetv4_hybrid_medium": 64, "convnextv2_atto": 64, "convnext_atto_ols": 64, "convnext_zepto_rms": 64,
    "maxvit_tiny_rw_224": 224, "maxvit_rmlp_pico_rw_256": 256, "coatnet_0_rw_224": 224, "coatnext_nano_rw_224": 224,
    "deit3_small_patch16_224": 224, "deit_tiny_distilled_patch16_224": 224, "beitv2_base_patch16_224": 224,
    "eva02_tiny_patch14_224": 224, "xcit_nano_12_p16_224": 224, "poolformer_s12": 64, "poolformerv2_s24": 64,
    "caformer_s18": 64, "convformer_s18": 64, "edgenext_small": 64, "mobilevitv2_050": 64, "ghostnetv2_100": 64,
    "ghostnetv3_050": 64, "hgnet_tiny": 64, "hgnetv2_b1": 64, "repvit_m0_9": 64, "fastvit_t8": 64, "fastvit_sa12": 64,
    "fastvit_mci0": 64, "tiny_vit_11m_224": 224, "levit_conv_128s": 224, "efficientformerv2_s1": 224,
    "crossvit_9_dagger_240": 240, "visformer_small": 224, "nest_small": 224, "vit_srelpos_small_patch16_224": 224,
    "vit_relpos_small_patch16_224": 224, "vit_small_patch16_rope_224": 224, "cait_xxs36_224": 224,
    "twins_pcpvt_small": 224, "swin_s3_tiny_224": 224, "swinv2_cr_tiny_ns_224": 224, "pit_s_distilled_224": 224,
    "mixer_s32_224": 224, "resmlp_12_224": 224, "gmixer_12_224": 224, "nf_resnet26": 64, "nf_regnet_b0": 64,
    "dm_nfnet_f0": 64, "eca_nfnet_l0": 64, "resnetv2_50x1_bit": 64, "resnetv2_50d_evos": 64, "resnetv2_50d_gn": 64,
    "res2net50_14w_8s": 64, "dla60_res2net": 64, "cspresnet50": 64, "darknet53": 64, "skresnext50_32x4d": 64,
    "rexnetr_100": 64, "tresnet_v2_l": 64, "test_efficientnet_gn": 64, "test_efficientnet_ln": 64,
    "test_efficientnet_evos": 64, "test_convnext2": 64, "test_convnext3": 64, "test_maxvit": 160, "test_vit2": 64,
    "test_vit3": 64, "test_vit4": 64, "mobileone_s0": 64, "repvgg_a0": 64, "vit_pwee_patch16_reg1_gap_256": 256,
    "vit_small_r26_s32_224": 224, "flexivit_small": 240, "hiera_small_abswin_256": 256, "mvitv2_small_cls": 224,
    "coat_lite_tiny": 224, "focalnet_tiny_lrf": 64, "efficientvit_m1": 224, "efficientvit_b1": 64,
    "mambaout_femto": 64, "starnet_s1": 64, "vgg11_bn": 64, "hrnet_w18_small_v2": 64, "pvt_v2_b2_li": 64,
    "convit_small": 224, "gcvit_xtiny": 224, "semnasnet_050": 64, "mnasnet_small": 64, "spnasnet_100": 64,
    "fbnetv3_b": 64, "lcnet_035": 64, "tinynet_e": 64, "vit_medium_patch16_gap_240": 240,
    "naflexvit_base_patch16_gap": 64, "resnest26d": 64}


def timm():
    return {name: of_timm(name, size) for name, size in TIMM.items()}


def hidden(entry):
    """Embeddings in place of ids, and a mask that hides the end of the second sequence."""
    module, kwargs = entry["module"], dict(entry["kwargs"])
    table = module.get_input_embeddings().weight
    kwargs["inputs_embeds"] = table[kwargs.pop("input_ids")].detach().clone()
    kwargs["attention_mask"] = (torch.arange(11) < torch.tensor([[11], [8]])).long()
    return {**entry, "kwargs": kwargs}


def single(make):
    """In single precision, where a mask cannot be written in another."""
    return lambda: {**make(), "dtype": "float32"}


def spectrum(mel, steps):
    return lambda: {"input_features": torch.randn(2, steps, mel)}


def transformers():
    bart = {"vocab_size": 50, "d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 32,
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    roberta = {**BERT, "pad_token_id": 1}
    gpt = {"vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    tokens = {
        "camembert": ids("CamembertModel", "CamembertConfig", **roberta),
        "mpnet": ids("MPNetModel", "MPNetConfig", **roberta, relative_attention_num_buckets=32),
        "fnet": ids("FNetModel", "FNetConfig", **BERT),
        "funnel": ids("FunnelModel", "FunnelConfig", vocab_size=50, d_model=16, n_head=2, d_head=8, d_inner=24,
                      block_sizes=[1, 1], num_decoder_layers=1, max_position_embeddings=32),
        "longformer": ids("LongformerModel", "LongformerConfig", **roberta, attention_window=[4, 4]),
        "deberta": ids("DebertaModel", "DebertaConfig", relative_attention=True, pos_att_type=["p2c", "c2p"], **BERT),
        "ernie": ids("ErnieModel", "ErnieConfig", **BERT),
        "megatron_bert": ids("MegatronBertModel", "MegatronBertConfig", **BERT),
        "mobilebert": ids("MobileBertModel", "MobileBertConfig", embedding_size=8, intra_bottleneck_size=8,
                          true_hidden_size=8, num_feedforward_networks=2, **BERT),
        "nystromformer": ids("NystromformerModel", "NystromformerConfig", num_landmarks=11, segment_means_seq_len=11,
                             **BERT),
        "rembert": ids("RemBertModel", "RemBertConfig", input_embedding_size=8, **BERT),
        "roformer": ids("RoFormerModel", "RoFormerConfig", embedding_size=16, **BERT),
        "roberta_prelayernorm": ids("RobertaPreLayerNormModel", "RobertaPreLayerNormConfig", **roberta),
        "squeezebert": ids("SqueezeBertModel", "SqueezeBertConfig", embedding_size=16, q_groups=2, k_groups=2,
                           v_groups=2, post_attention_groups=1, intermediate_groups=2, output_groups=2, **BERT),
        "convbert": ids("ConvBertModel", "ConvBertConfig", embedding_size=8, head_ratio=1, num_groups=1, **BERT),
        "esm": ids("EsmModel", "EsmConfig", **roberta, position_embedding_type="rotary", mask_token_id=3),
        "xlnet": ids("XLNetModel", "XLNetConfig", vocab_size=50, d_model=16, n_layer=2, n_head=2, d_inner=24),
        "data2vec_text": ids("Data2VecTextModel", "Data2VecTextConfig", **roberta),
        "xmod": ids("XmodModel", "XmodConfig", **roberta, languages=["en_XX"], default_language="en_XX"),
        "ibert": ids("IBertModel", "IBertConfig", **roberta),
        "nomic_bert": ids("NomicBertModel", "NomicBertConfig", **BERT),
        "eurobert": ids("EuroBertModel", "EuroBertConfig", **{**LLAMA, "num_key_value_heads": 2}, mask_token_id=3),
        "openai_gpt": ids("OpenAIGPTModel", "OpenAIGPTConfig", **gpt),
        "gptj": ids("GPTJModel", "GPTJConfig", rotary_dim=4, **gpt),
        "gpt_neo": ids("GPTNeoModel", "GPTNeoConfig", vocab_size=50, hidden_size=16, num_layers=2, num_heads=2,
                       attention_types=[[["global", "local"], 1]], window_size=4, max_position_embeddings=32),
        "gpt_bigcode": ids("GPTBigCodeModel", "GPTBigCodeConfig", **gpt),
        "ctrl": ids("CTRLModel", "CTRLConfig", dff=24, **gpt),
        "codegen": ids("CodeGenModel", "CodeGenConfig", **{**gpt, "n_head": 4}, rotary_dim=4, n_ctx=32),
        "xglm": single(ids("XGLMModel", "XGLMConfig", vocab_size=50, d_model=16, num_layers=2, attention_heads=2,
                           ffn_dim=24, max_position_embeddings=32, **special)),
        "biogpt": ids("BioGptModel", "BioGptConfig", **TINY),
        "falcon": ids("FalconModel", "FalconConfig", vocab_size=50, hidden_size=16, num_hidden_layers=2,
                      num_attention_heads=2, **special),
        "bloom": ids("BloomModel", "BloomConfig", vocab_size=50, hidden_size=16, n_layer=2, n_head=2, **special),
        "mpt": ids("MptModel", "MptConfig", vocab_size=50, d_model=16, n_layers=2, n_heads=2, max_seq_len=32),
        "phi": ids("PhiModel", "PhiConfig", **TINY),
        "phi3": ids("Phi3Model", "Phi3Config", **{**LLAMA, "num_key_value_heads": 2}),
        "starcoder2": ids("Starcoder2Model", "Starcoder2Config", **LLAMA),
        "stablelm": ids("StableLmModel", "StableLmConfig", **LLAMA),
        "olmo": ids("OlmoModel", "OlmoConfig", **LLAMA),
        "olmo2": ids("Olmo2Model", "Olmo2Config", **LLAMA),
        "cohere": ids("CohereModel", "CohereConfig", **LLAMA),
        "cohere2": ids("Cohere2Model", "Cohere2Config", **LLAMA, sliding_window=4),
        "glm": ids("GlmModel", "GlmConfig", **LLAMA),
        "glm4": ids("Glm4Model", "Glm4Config", **LLAMA),
        "granite": ids("GraniteModel", "GraniteConfig", **LLAMA),
        "nemotron": ids("NemotronModel", "NemotronConfig", **LLAMA),
        "helium": ids("HeliumModel", "HeliumConfig", **LLAMA),
        "smollm3": ids("SmolLM3Model", "SmolLM3Config", **LLAMA),
        "gemma3": ids("Gemma3TextModel", "Gemma3TextConfig", **LLAMA, sliding_window=4),
        "qwen3_moe": ids("Qwen3MoeModel", "Qwen3MoeConfig", **LLAMA, num_experts=4, num_experts_per_tok=2,
                         moe_intermediate_size=8, experts_implementation="eager"),
        "mixtral": ids("MixtralModel", "MixtralConfig", **LLAMA, num_local_experts=4, experts_implementation="eager"),
        "granite_moe": ids("GraniteMoeModel", "GraniteMoeConfig", **LLAMA, num_local_experts=4,
                           experts_implementation="eager"),
        "diffllama": ids("DiffLlamaModel", "DiffLlamaConfig", **{**LLAMA, "num_key_value_heads": 2}),
        "mt5_encoder": ids("MT5EncoderModel", "MT5Config", **T5),
        "umt5_encoder": ids("UMT5EncoderModel", "UMT5Config", **T5),
        "longt5_encoder": ids("LongT5EncoderModel", "LongT5Config", **T5, local_radius=3),
        "bart_encoder": ids("BartModel", "BartConfig", part="encoder", **bart),
        "mbart_encoder": ids("MBartModel", "MBartConfig", part="encoder", **bart),
        "marian_encoder": ids("MarianModel", "MarianConfig", part="encoder", **bart),
        "pegasus_encoder": ids("PegasusModel", "PegasusConfig", part="encoder", **bart),
        "m2m_100_encoder": ids("M2M100Model", "M2M100Config", part="encoder", **bart),
        "blenderbot_encoder": ids("BlenderbotModel", "BlenderbotConfig", part="encoder", **bart),
        "led_encoder": ids("LEDModel", "LEDConfig", part="encoder", attention_window=4,
                           max_encoder_position_embeddings=32, **{
                               k: v for k, v in bart.items() if k != "max_position_embeddings"}),
    }
    whole = {
        "falcon_mamba": ids("FalconMambaModel", "FalconMambaConfig", vocab_size=50, hidden_size=8, state_size=4,
                            num_hidden_layers=2, use_cache=False, use_mambapy=False),
        "mamba2": ids("Mamba2Model", "Mamba2Config", vocab_size=50, hidden_size=8, state_size=4, num_hidden_layers=2,
                      use_cache=False, num_heads=4, head_dim=4, n_groups=1, chunk_size=4),
        "rwkv": ids("RwkvModel", "RwkvConfig", vocab_size=50, hidden_size=16, attention_hidden_size=16,
                    num_hidden_layers=2, intermediate_size=24, use_cache=False),
        "deit": pixels("DeiTModel", "DeiTConfig", **PICTURE),
        "levit": pixels("LevitModel", "LevitConfig", size=64, image_size=64, hidden_sizes=[16, 24], depths=[1, 1],
                        num_attention_heads=[2, 2], key_dim=[8, 8], attention_ratio=[2, 2], mlp_ratio=[2, 2],
                        down_ops=[["Subsample", 8, 2, 4, 2, 2], [""]]),
        "pvt": pixels("PvtModel", "PvtConfig", size=32, image_size=32, num_encoder_blocks=2, depths=[1, 1],
                      sequence_reduction_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[4, 2], strides=[4, 2],
                      num_attention_heads=[1, 2], mlp_ratios=[2, 2]),
        "pvt_v2": pixels("PvtV2Model", "PvtV2Config", size=64, num_encoder_blocks=4, depths=[1, 1, 1, 1],
                         hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], mlp_ratios=[2, 2, 2, 2]),
        "poolformer": pixels("PoolFormerModel", "PoolFormerConfig", size=64, hidden_sizes=[8, 8, 16, 16],
                             depths=[1, 1, 1, 1]),
        "cvt": pixels("CvtModel", "CvtConfig", size=64, embed_dim=[8, 16, 16], num_heads=[1, 2, 2], depth=[1, 2, 3],
                      drop_path_rate=[0.0, 0.0, 0.0]),
        "regnet": pixels("RegNetModel", "RegNetConfig", size=32, embedding_size=8, hidden_sizes=[8, 16],
                         depths=[1, 1], groups_width=4),
        "resnet": pixels("ResNetModel", "ResNetConfig", size=32, embedding_size=8, hidden_sizes=[8, 16],
                         depths=[1, 1]),
        "bit": pixels("BitModel", "BitConfig", size=32, embedding_size=8, hidden_sizes=[32, 64], depths=[1, 1],
                      num_groups=4),
        "mobilenet_v1": pixels("MobileNetV1Model", "MobileNetV1Config", size=32, depth_multiplier=0.25),
        "mobilenet_v2": pixels("MobileNetV2Model", "MobileNetV2Config", size=32, depth_multiplier=0.35),
        "mobilevitv2": pixels("MobileViTV2Model", "MobileViTV2Config", size=64, image_size=64, width_multiplier=0.25,
                              n_attn_blocks=[1, 1, 1]),
        "efficientnet": pixels("EfficientNetModel", "EfficientNetConfig", size=32, width_coefficient=0.25,
                               depth_coefficient=0.2, hidden_dim=320),
        "focalnet": pixels("FocalNetModel", "FocalNetConfig", size=32, image_size=32, embed_dim=8, depths=[1, 1],
                           hidden_sizes=[8, 16], focal_levels=[2, 2], focal_windows=[3, 3]),
        "swiftformer": pixels("SwiftFormerModel", "SwiftFormerConfig", size=64, depths=[1, 1, 1, 1],
                              embed_dims=[8, 8, 16, 16]),
        "hgnet_v2": pixels("HGNetV2ForImageClassification", "HGNetV2Config", "logits", size=64),
        "hiera": pixels("HieraModel", "HieraConfig", size=64, image_size=[64, 64], embed_dim=8, depths=[1, 1, 1],
                        num_heads=[1, 2, 4], patch_stride=[4, 4], patch_size=[7, 7], patch_padding=[3, 3],
                        num_query_pool=2, masked_unit_size=[4, 4]),
        "dinov2_with_registers": pixels("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig",
                                        **PICTURE, mlp_ratio=2),
        "dinov3_vit": pixels("DINOv3ViTModel", "DINOv3ViTConfig", **PICTURE),
        "dinov3_convnext": pixels("DINOv3ConvNextModel", "DINOv3ConvNextConfig", size=32, depths=[1, 1, 1, 1],
                                  hidden_sizes=[8, 8, 16, 16]),
        "data2vec_vision": pixels("Data2VecVisionModel", "Data2VecVisionConfig", **PICTURE,
                                  use_relative_position_bias=True),
        "dpt": pixels("DPTForDepthEstimation", "DPTConfig", "predicted_depth", size=32, **{
            **PICTURE, "image_size": 32, "num_hidden_layers": 4}, is_hybrid=False, backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, reassemble_factors=[4, 2, 1, 0.5]),
        "yolos": pixels("YolosModel", "YolosConfig", **{**PICTURE, "image_size": [16, 16]}, num_detection_tokens=3),
        "vit_mae": pixels("ViTMAEModel", "ViTMAEConfig", **PICTURE, mask_ratio=0.0),
        "vit_msn": pixels("ViTMSNModel", "ViTMSNConfig", **PICTURE),
        "vitdet": pixels("VitDetModel", "VitDetConfig", **PICTURE),
        "ijepa": pixels("IJepaModel", "IJepaConfig", **PICTURE),
        "glpn": pixels("GLPNForDepthEstimation", "GLPNConfig", "predicted_depth", size=64, num_encoder_blocks=4,
                       depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
                       decoder_hidden_size=8),
        "perceiver": configured(
            "PerceiverModel", "PerceiverConfig", lambda: {"inputs": torch.randn(2, 11, 16)}, d_model=16, d_latents=12,
            num_latents=5, num_blocks=1, num_self_attends_per_block=2, num_self_attention_heads=2,
            num_cross_attention_heads=2),
        "videomae": configured("VideoMAEModel", "VideoMAEConfig", lambda: {
            "pixel_values": torch.randn(2, 4, 3, 16, 16)}, **PICTURE, num_frames=4, tubelet_size=2),
        "vivit": configured("VivitModel", "VivitConfig", lambda: {"pixel_values": torch.randn(2, 4, 3, 16, 16)}, **{
            k: v for k, v in PICTURE.items() if k != "patch_size"}, num_frames=4, tubelet_size=[2, 4, 4]),
        "timesformer": configured("TimesformerModel", "TimesformerConfig", lambda: {
            "pixel_values": torch.randn(2, 4, 3, 16, 16)}, **PICTURE, num_frames=4),
        "wavlm": sound("WavLMModel", "WavLMConfig", **SPEECH, num_buckets=8),
        "unispeech": sound("UniSpeechModel", "UniSpeechConfig", **SPEECH),
        "unispeech_sat": sound("UniSpeechSatModel", "UniSpeechSatConfig", **SPEECH),
        "data2vec_audio": sound("Data2VecAudioModel", "Data2VecAudioConfig", **{
            **SPEECH, "num_conv_pos_embeddings": 2}, conv_pos_kernel_size=3),
        "sew": sound("SEWModel", "SEWConfig", **SPEECH),
        "sew_d": sound("SEWDModel", "SEWDConfig", **SPEECH, position_buckets=8),
        "wav2vec2_conformer": sound("Wav2Vec2ConformerModel", "Wav2Vec2ConformerConfig", **SPEECH,
                                    conv_depthwise_kernel_size=3),
        "wav2vec2_bert": configured(
            "Wav2Vec2BertModel", "Wav2Vec2BertConfig", spectrum(8, 12), hidden_size=16, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=24, feature_projection_input_dim=8, vocab_size=20,
            conv_depthwise_kernel_size=3),
        "speech_to_text_encoder": configured(
            "Speech2TextModel", "Speech2TextConfig", spectrum(8, 24), part="encoder", **bart, max_source_positions=32,
            max_target_positions=32, input_feat_per_channel=8, num_conv_layers=2, conv_channels=12,
            conv_kernel_sizes=[3, 3]),
        "moonshine_encoder": configured(
            "MoonshineModel", "MoonshineConfig", lambda: {"input_values": torch.randn(2, 4000)}, part="encoder",
            vocab_size=50, hidden_size=16, intermediate_size=24, encoder_num_hidden_layers=2,
            decoder_num_hidden_layers=1, encoder_num_attention_heads=2, decoder_num_attention_heads=2),
        "time_series_transformer_encoder": configured(
            "TimeSeriesTransformerModel", "TimeSeriesTransformerConfig", lambda: {
                "inputs_embeds": torch.randn(2, 11, 4)}, part="encoder", prediction_length=5, context_length=8,
            d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=24, decoder_ffn_dim=24, lags_sequence=[1, 2]),
        "patchtsmixer": configured("PatchTSMixerModel", "PatchTSMixerConfig", lambda: {
            "past_values": torch.randn(2, 32, 3)}, context_length=32, patch_length=4, patch_stride=4,
            num_input_channels=3, d_model=16, num_layers=2),
        "decision_transformer": configured("DecisionTransformerGPT2Model", "DecisionTransformerConfig", lambda: {
            "inputs_embeds": torch.randn(2, 11, 16)}, n_layer=2, n_head=2, hidden_size=16, n_positions=32),
        "siglip_text": ids("SiglipTextModel", "SiglipTextConfig", **TINY, **special),
        "blip_vision": pixels("BlipVisionModel", "BlipVisionConfig", **PICTURE),
        "clap_text": ids("ClapTextModel", "ClapTextConfig", **{**BERT, "pad_token_id": 1}),
        "openai_gpt_2_classifier": ids("GPT2ForTokenClassification", "GPT2Config", "logits", **gpt),
        "image_gpt": ids("ImageGPTModel", "ImageGPTConfig", **gpt),
        "bert_multiple_sentences": ids("BertForSequenceClassification", "BertConfig", "logits", **BERT),
    }
    return {**tokens, **{f"{name}, embeddings, mask": lambda make=make: hidden(make())
                         for name, make in tokens.items() if name != "fnet"}, **whole}
