"""The whole experiment as frozen dataclasses.

The YAML groups in `conf/` fill these classes; `tessy.pipeline.compose` turns Hydra's result into
one `Experiment`, which `tessy.checks` checks. A field's comment is its documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tessy.records import Writer

ALONE = ("plan", "compare")  # stages that make no artifact and stand beside no other
STAGES = ("questions", "predictor", "synthesize", "score", "sft", "evaluate", "report", "push")
ON_REQUEST = ("score", "push")  # stages that stage=all leaves out

MethodKind = Literal[
    "tessy",
    "teacher_only",
    "student_only",
    "teacher_mix",
    "teacher_think",
    "teacher_answer",
    "teacher_reference",
    "teacher_score",
]


@dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn. Temperature 0 is greedy."""

    temperature: float = 0.6  # the paper's, for synthesis and evaluation
    top_p: float = 1.0  # nucleus; 1.0 keeps all tokens
    top_k: int = 0  # 0 keeps all tokens
    max_tokens: int = 40960  # thinking and answer together


@dataclass(frozen=True)
class ModelConfig:
    """A student or a teacher."""

    name: str  # as it appears in tables and artifact names
    path: (
        str  # Hugging Face id, a local folder, or mini:NAME for a checkpoint that ships with tessy
    )
    dialect: str  # how it renders prompts and thinks: a name in tessy.dialects
    parameters: float  # total parameters, for estimates of memory and GPU hours
    active_parameters: float  # parameters that work on each token (less than all in a mixture)
    context: int  # longest sequence in tokens
    tensor_parallel: int = 1  # GPUs a replica when a server is started for it
    # Arguments of the checkpoint's chat template: texts, numbers or booleans. One that writes the
    # current date into the prompt needs {date: 2025-08-05}, so that a run can be repeated.
    # An argument that is null is not given; +teacher.template.NAME=VALUE adds one.
    template: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineConfig:
    """Who generates tokens."""

    kind: Literal["transformers", "vllm"]  # in-process, or vLLM's HTTP server
    device: Literal["auto", "cpu", "cuda"] = "auto"  # transformers only
    batch_size: int = 64  # samples in flight (transformers: rows of the batch)
    # CPU threads for matrix work; 0 leaves torch's choice. Tiny models are fastest with 1.
    threads: int = 0
    # Cut spans while they are written; false asks for drafts of span_tokens and looks at them after
    stream: bool = True


@dataclass(frozen=True)
class ServerConfig:
    """The vLLM servers of one role (engine=vllm)."""

    # serve=external: the base URL of each replica, such as http://host:8000
    urls: tuple[str, ...] = ()
    replicas: int = 1  # serve=local: how many servers are started
    # serve=local: the GPUs for them, tensor_parallel of them a replica; empty divides those that
    # the machine has among the roles (a machine without one serves on its CPU)
    gpus: tuple[int, ...] = ()
    memory_share: float = 0.9  # serve=local: of each GPU's memory
    port: int = 0  # serve=local: of the first replica, the next takes the next; 0 takes free ones
    arguments: tuple[str, ...] = ()  # serve=local: more arguments of vLLM's server


@dataclass(frozen=True)
class ServeConfig:
    """Where the servers of engine=vllm come from, and how long they are waited for."""

    kind: Literal["local", "external"] = "local"  # started and stopped here, or reached by URL
    student: ServerConfig = field(default_factory=ServerConfig)  # also serves trained students
    teacher: ServerConfig = field(default_factory=ServerConfig)
    annotator: ServerConfig = field(default_factory=ServerConfig)  # predictor.annotator=model
    stream_interval: int = 0  # tokens a streamed chunk; 0: 1, more at a replica with many rows
    start_seconds: float = 1800.0  # until a server that was started must be healthy
    stall_seconds: float = 120.0  # without a token, after which a request is given up and repeated
    retries: int = 5  # repetitions of one request before its sample is recorded as failed
    restarts: int = 3  # serve=local: of each server that dies
    patience_seconds: float = 600.0  # without a healthy replica, after which the run stops
    kv_tokens: int = 0  # tokens of keys and values that a replica holds; 0 asks the server
    key_variable: str = ""  # environment variable that holds the servers' API key; empty: no key

    def of(self, role: Writer) -> ServerConfig:
        return self.student if role == "student" else self.teacher

    @property
    def servers(self) -> dict[str, ServerConfig]:
        return {"student": self.student, "teacher": self.teacher, "annotator": self.annotator}


@dataclass(frozen=True)
class QuestionsConfig:
    """Where the questions to synthesize answers for come from."""

    source: Literal["mini", "file", "paper"]
    samples: int  # how many (question, repeat) pairs are synthesized
    unique: int  # how many different questions they are drawn from; 0 is all (source=file)
    # source=file: JSON lines of question_id and prompt, and where wanted source and metadata
    path: str = ""
    bad_lines: Literal["fail", "skip"] = "fail"  # source=file: stop at one, or list and count them
    # All that follow are for source=paper. The data sets: hub ids, or folders with their files as
    # published; empty leaves one out.
    open_thoughts: str = ""
    nemotron: str = ""
    near_duplicates: float = (
        0.8  # Jaccard similarity from which the later question is left out; 0: none
    )
    select: Literal["teacher", "none"] = "teacher"  # who decides what is a contest problem
    selection_tokens: int = 4096  # of the teacher's answer, thinking included
    # Benchmarks whose problems are kept out, as kind or kind/split; empty keeps none out
    decontaminate: tuple[str, ...] = ()
    overlap_words: int = 13  # words in a row that a question may not share with a problem
    common_overlap: int = 10  # ... unless more questions of the pool than this have them: phrases
    seed: int = 0  # of the draw


@dataclass(frozen=True)
class PredictorConfig:
    """The two boundary predictors: who may write the next word (paper, section 3.2)."""

    name: str
    source: Literal["checkpoint", "train"]
    student: str = ""  # folder or hub id: judges what the student writes (source=checkpoint)
    teacher: str = ""  # the same for what the teacher writes
    base: str = (
        ""  # model to train them from, with its tokenizer (source=train; as all that follow)
    )
    segments: int = 0  # segments of thinking that are annotated, for each predictor
    segment_words: int = 60  # words of a segment (the released predictors')
    segments_per_response: int = (
        20  # drawn from one response at most; more are cheaper, less varied
    )
    # Who marks the style in segments: teacher and student are the experiment's, model is that of
    # the group `annotator`, mini is the grammar of the miniature world.
    annotator: Literal["teacher", "student", "model", "mini"] = "teacher"
    annotation_tokens: int = 4096  # of its answer, thinking included; what is longer is dropped
    validation_share: float = 0.05  # of the questions, whose segments measure and train nothing
    epochs: int = 3
    batch: int = 32  # segments an optimizer step
    micro_batch: int = 32  # segments a forward pass; accumulation is derived
    learning_rate: float = 1e-5  # peak; falls linearly to zero
    max_length: int = 512  # tokens of a segment; longer ones are dropped and counted
    device: Literal["auto", "cpu", "cuda"] = "auto"  # where they read, in this process
    window: int = 200  # tokens before a span that they see, at most
    label_shift: int = 0  # 1: the output at a token labels the next one (the released predictors)
    # Where a span ends that turns within a word: before it, or after it (the released script).
    cut: Literal["before_word", "after_word"] = "before_word"


@dataclass(frozen=True)
class MethodConfig:
    """A way to make the data."""

    name: str  # as in the paper's table 1
    kind: MethodKind
    # k of algorithm 1: the longest draft before a boundary is looked for; streamed spans are cut
    # as they are written, so it only matters where an engine cannot stream (kind tessy)
    span_tokens: int = 20
    final_answer: Literal["student", "teacher"] = "student"  # teacher is figure 9 (kind tessy)
    candidates: int = 5  # responses of the student that the teacher scores (kind teacher_score)
    # written: a number from 0 to 100 that the teacher writes. agreement, for teachers too small to
    # grade: the share of the thinking's capability spans that it would write in the same words
    scorer: Literal["written", "agreement"] = "written"


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank updates of some matrices instead of all parameters (paper, figure 13)."""

    rank: int = 0  # 0 trains all parameters
    alpha: float = 16.0  # the update is scaled by alpha / rank
    dropout: float = 0.0
    # Modules by the end of their names, such as q_proj; all-linear is every matrix but the head
    targets: tuple[str, ...] = ("all-linear",)
    # Add the updates to the weights, so that the model can be evaluated and served as it is; false
    # keeps only the adapter.
    merge: bool = True


@dataclass(frozen=True)
class LossConfig:
    """Weights of the two sums of equation 2; each token counts so many times."""

    style_weight: float = 1.0  # of the tokens that the student wrote (L_sty)
    capability_weight: float = 1.0  # of those that the teacher wrote (L_cap)


@dataclass(frozen=True)
class MemoryConfig:
    """What is traded for memory in training; changes no result but for rounding."""

    # Recompute activations in the backward pass: a third more work, a tenth of the activations.
    # auto: for models above 0.5B parameters
    gradient_checkpointing: Literal["auto", "on", "off"] = "auto"
    # chunked never holds the logits of a forward pass (24 GB for 40K tokens of Qwen3), but takes
    # them twice; auto: where whole they would be more than 256 MB
    cross_entropy: Literal["auto", "chunked", "whole"] = "auto"
    # auto takes the best kernel that the installation has, and says which
    attention: Literal[
        "auto", "flash_attention_3", "flash_attention_2", "flex_attention", "sdpa", "eager"
    ] = "auto"
    # Keep checkpointed activations in the CPU's memory: when one sample does not fit otherwise
    activation_offloading: bool = False


@dataclass(frozen=True)
class TrainConfig:
    """Supervised fine-tuning."""

    name: str
    epochs: int
    global_batch: int  # samples an optimizer step, over all devices
    learning_rate: float
    max_length: int  # tokens of a sample, prompt included
    # A longer one is dropped, stops the run, or loses its end; what happened is counted.
    overlong: Literal["drop", "fail", "truncate"] = "drop"
    # Put whole samples one after the other into rows of max_length tokens, each seeing itself only;
    # a step has the same samples as without, and no padding.
    packing: bool = False
    system: str = ""  # system prompt of the new data, in training and evaluation (figure 10)
    warmup_ratio: float = 0.03
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    precision: Literal["fp32", "bf16"] = "bf16"
    micro_batch: int = 1  # samples a device and forward pass (packing: rows, 1)
    checkpoints_per_epoch: int = 1  # how often a resumable state is saved
    # Methods of which the model after each epoch is kept (evaluate_epochs; figure 11); LoRA keeps
    # the last adapter only
    keep_epochs: tuple[str, ...] = ()
    loss: LossConfig = field(default_factory=LossConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)


@dataclass(frozen=True)
class DeepSpeedConfig:
    """How training is divided over devices; changes no result but for rounding."""

    # none: one device, in this process. ZeRO-2 divides optimizer and gradients over the devices,
    # ZeRO-3 the weights too; offload keeps what is divided in the CPUs' memory.
    kind: Literal["none", "zero2", "zero3", "zero3_offload"] = "none"
    processes: int = 1  # a node, one for each GPU (or, without GPUs, on the CPU)
    nodes: int = 1
    # Devices that share each row (sequence parallelism, Ulysses): for rows too long for one.
    sequence_parallel: int = 1
    # How the nodes are reached: local is this machine, hostfile by ssh, slurm by srun in the job's
    # allocation. They share the file system.
    launcher: Literal["local", "hostfile", "slurm"] = "local"
    hostfile: str = ""  # launcher=hostfile: lines of "host slots=8", as DeepSpeed reads them
    port: int = 29500  # of the first node, where the processes meet (several nodes)
    gpu_memory_gb: float = 141.0  # of one GPU, for stage=plan; an H200

    @property
    def devices(self) -> int:
        return self.processes * self.nodes if self.kind != "none" else 1

    @property
    def data_parallel(self) -> int:
        """Devices, or groups of them that share each row, that have samples of their own."""
        return self.devices // self.sequence_parallel


@dataclass(frozen=True)
class BenchmarkConfig:
    """What the models are evaluated on."""

    name: str
    kind: str  # a file in eval/benchmarks: mini, lcb_pro, ojbench, livecodebench, aime, ...
    runs: int  # independent answers a problem; pass@1 is their mean
    problems: int = 0  # the first so many; 0: all of the benchmark
    split: str = ""  # the benchmark's own name for a part of it; empty is all
    path: str = ""  # a folder with its data as published; empty asks the Hugging Face hub
    language: Literal["python", "cpp"] = "python"
    sampling: SamplingConfig = field(default_factory=SamplingConfig)


@dataclass(frozen=True)
class JudgeConfig:
    """Parallelism of the sandbox that runs the programs, and limits where a benchmark has none."""

    workers: int = 2  # submissions judged at once
    cpu_seconds: float = 2.0  # a test
    memory_mb: int = 256  # a test
    output_kb: int = 1024  # stdout and stderr together, a test
    processes: int = 16
    testlib: str = ""  # folder with testlib.h; empty takes the one of the package rbx.cp


@dataclass(frozen=True)
class MiniConfig:
    """The miniature world."""

    seed: int = 0  # names a world: which compositions are train, development and held out
    # Several worlds in one experiment, pooled in its report; empty means the one of `seed`.
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrackingConfig:
    """Where curves and tables are logged besides the outputs folder."""

    kind: Literal["none", "wandb"] = "wandb"
    project: str = "tessy"
    entity: str = ""  # W&B team; empty is the default of the account
    examples: int = 32  # trajectories or judged answers that a stage logs in full


@dataclass(frozen=True)
class HubConfig:
    """Where stage=push puts models and data sets; no other stage sends anything anywhere."""

    owner: str = ""  # user or organization on the Hugging Face hub
    private: bool = True  # repositories that are made for it


@dataclass(frozen=True)
class ReportConfig:
    """What the report shows; changing it retrains nothing."""

    examples: int = 4  # problems whose trajectories are shown in full
    bootstrap: int = 10_000  # resamples behind each 95 % interval
    style_responses: int = 10_000  # of each data set, in figures 8, 14 and 16; 0 is all


@dataclass(frozen=True)
class Experiment:
    """Everything a run depends on."""

    name: str  # names the folder of reports
    stages: tuple[str, ...]  # a part of STAGES in order, or one of ALONE
    student: ModelConfig
    author: ModelConfig  # who writes the data with the teacher; the student, but in figure 4
    teacher: ModelConfig
    engine: EngineConfig
    serve: ServeConfig
    questions: QuestionsConfig
    predictor: PredictorConfig
    annotator: ModelConfig  # predictor.annotator=model
    methods: Mapping[str, MethodConfig]
    benchmarks: Mapping[str, BenchmarkConfig]
    train: TrainConfig
    deepspeed: DeepSpeedConfig
    sampling: SamplingConfig  # of synthesis
    judge: JudgeConfig
    mini: MiniConfig
    tracking: TrackingConfig
    report: ReportConfig
    hub: HubConfig
    outputs_dir: str  # everything a run writes goes there
    seed: int  # of synthesis and evaluation
    sft_seeds: tuple[int, ...]  # one training and evaluation each; empty: the data only
    evaluate_epochs: bool  # also after each epoch, for the methods of train.keep_epochs
    learning_rates: tuple[float, ...]  # the dial: train with each; empty means train.learning_rate
    # Methods whose responses to the benchmarks' own problems are judged, without any training
    direct: tuple[str, ...]
    # Tables and figures of the paper -> their cases -> what each changes, as on the command line.
    # An experiment that has some consists of them.
    figures: Mapping[str, Mapping[str, tuple[str, ...]]]
    # stage=compare: names of evaluated models (base, tessy, FIGURE/CASE/tessy) or folders of
    # evaluations; empty compares all that the experiment has
    compare: tuple[str, ...]
    debug: bool  # tracebacks
    # No option: the experiment of each case, by "FIGURE/CASE" (tessy.pipeline.cases)
    cases: Mapping[str, Experiment] = field(default_factory=dict)

    @property
    def is_mini(self) -> bool:
        """Whether this is the miniature world: its benchmarks and models come together."""
        return any(b.kind == "mini" for b in self.benchmarks.values())

    @property
    def worlds(self) -> tuple[int, ...]:
        """Seeds of the miniature worlds of this experiment."""
        return self.mini.seeds or (self.mini.seed,)

    def case(self, name: str) -> Experiment:
        """The experiment of a case; without cases the only one is called ""."""
        return self.cases[name] if self.cases else self

    def with_all_learning_rates(self) -> tuple[float, ...]:
        return self.learning_rates or (self.train.learning_rate,)
