"""Names that users of transformers and TRL know and that are no fields here, each with what to do instead."""

_MENDS: dict[str, tuple[str, ...]] = {
    "quantisation is method.kind: qlora": ("quantization",),
    "remove it: runs stand under cluster.storage": (
        "output_dir", "overwrite_output_dir", "logging_dir", "save_safetensors", "save_only_model",
    ),
    "remove it: a run is named by `launcher run --run-id`": ("run_name", "project"),
    "remove it: a run that is started again under its id goes on by itself": (
        "resume_from_checkpoint", "ignore_data_skip", "restore_callback_states_from_checkpoint",
        "enable_jit_checkpoint",
    ),
    "remove it: `launcher run` trains, and eval_strategy says when to score": (
        "do_train", "do_eval", "do_predict", "eval_on_start", "eval_delay",
    ),
    "remove it: the profile's accelerator says where to train, as in cluster.accelerator=cpu": (
        "use_cpu", "no_cuda", "use_mps_device", "place_model_on_device", "tpu_num_cores", "tpu_metrics_debug",
    ),
    "remove it: the launcher starts the workers, and cluster.workers says how many": (
        "local_rank", "ddp_backend", "ddp_timeout", "ddp_find_unused_parameters", "ddp_bucket_cap_mb",
        "ddp_broadcast_buffers", "ddp_static_graph", "accelerator_config", "parallelism_config", "dispatch_batches",
        "split_batches", "ray_scope", "mp_parameters", "world_size",
    ),
    "say strategy.kind: deepspeed with zero_stage": ("deepspeed", "sharded_ddp", "zero_stage"),
    "say strategy.kind: deepspeed with zero_stage: 3, which partitions likewise": (
        "fsdp", "fsdp_config", "fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap",
    ),
    "remove it: the launcher does not push to the hub; the model stands in the run directory in its layout": (
        "push_to_hub", "push_to_hub_model_id", "push_to_hub_organization", "push_to_hub_token", "hub_model_id",
        "hub_strategy", "hub_token", "hub_private_repo", "hub_always_push", "hub_revision",
    ),
    "remove it: rows are encoded before training, and read ahead of the loop": (
        "dataloader_num_workers", "dataloader_drop_last", "dataloader_pin_memory", "dataloader_persistent_workers",
        "dataloader_prefetch_factor", "dataloader_multiprocessing_context", "dataloader_in_order", "dataset_num_proc",
        "dataset_batch_size", "dataset_kwargs", "remove_unused_columns", "length_column_name", "pad_to_multiple_of",
    ),
    "say per_device_train_batch_size (rows a rank) or global_batch_size (rows a step)": (
        "batch_size", "train_batch_size",
    ),
    "remove it: the loss is always that of the whole global batch": ("average_tokens_across_devices",),
    "say training.precision: fp32, bf16 or fp16; trained weights stay fp32": (
        "bf16_full_eval", "fp16_full_eval", "tf32", "fp16_opt_level", "fp16_backend", "half_precision_backend",
        "torch_dtype", "dtype",
    ),
    "say evaluation.batch_size; metrics follow from the task": (
        "prediction_loss_only", "eval_do_concat_batches", "eval_use_gather_object", "eval_accumulation_steps",
        "include_for_metrics", "include_inputs_for_metrics", "batch_eval_metrics", "label_names", "eval_packing",
        "eval_sample_packing",
    ),
    "remove it: progress and throughput are always shown": (
        "log_level", "log_level_replica", "log_on_each_node", "logging_nan_inf_filter", "disable_tqdm",
        "include_num_input_tokens_seen", "include_tokens_per_second", "skip_memory_metrics", "debug",
    ),
    "remove it: checkpoints are written by all ranks": ("save_on_each_node",),
    "remove it: runs on CPU are deterministic, and on GPU the order and the seeds are": ("full_determinism",),
    "say tracking.report_to: tensorboard and wandb": (
        "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id",
    ),
    "say task.prompt, task.text or task's messages, and data.fields": (
        "dataset_text_field", "formatting_func", "chat_template_path",
    ),
    "remove it: the loss counts completions and assistant turns only": ("completion_only_loss", "assistant_only_loss"),
    "say task.end_token": ("eos_token",),
    "say model.pad_token": ("pad_token",),
    "say it under model": ("model_init_kwargs", "trust_remote_code"),
    "remove it: not built": (
        "activation_checkpointing_kwargs", "activation_offloading", "auto_find_batch_size",
        "gradient_checkpointing_kwargs", "jit_mode_eval", "label_smoothing_factor", "liger_kernel_config", "loss_type",
        "optim_args", "optim_target_modules", "padding_free", "past_index",
        "shuffle_dataset", "torch_compile", "torch_compile_backend", "torch_compile_mode", "torch_empty_cache_steps",
        "torchdynamo", "use_cache", "use_ipex", "use_legacy_prediction_loop",
    ),
}  # fmt: skip

ELSEWHERE: dict[str, str] = {name: mend for mend, names in _MENDS.items() for name in names}
"""What to do instead, by name."""
