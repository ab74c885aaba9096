"""How results of the classification setting are printed."""

from __future__ import annotations

from harness.settings.presentation import MISSING, Column, Plots, Presentation
from harness.settings.shared_columns import MEMORY, SHARE, WEIGHTS

COLUMNS = (
    SHARE,
    Column("a_n", "%", "A_N (%)", "A_N %", ("$A_N$", r"(\%)"), interval=True, higher=True, score=True),
    Column(
        "a_n_mean", "%", "mean of A_1..A_N (%)", "mean A_n %", ("mean of", r"$A_1,\ldots,A_N$ (\%)"), higher=True,
        score=True,
    ),
    Column("forgetting_max", "%", "forgetting max (%)", "F max %", ("forgetting", r"max (\%)"), score=True),
    Column("forgetting_step", "%", "forgetting step (%)", "F step %", ("forgetting", r"step (\%)"), score=True),
    Column(
        "learned_accuracy", "%", "learned accuracy (%)", "learned %", ("learned", r"accuracy (\%)"),
        compact=False, higher=True, score=True
    ),
    Column("train_seconds", "s", "train s/task", "s/task", ("train", "s/task"), digits=1, compact=False, by_task=True),
)  # fmt: skip
MORE = (
    *WEIGHTS,
)  # fmt: skip
MEANINGS = {
    "n_param": "Parameters that are trained in a task, as a share of the ViT's.",
    "train_seconds": "Time to train one task, as a mean over tasks; it depends on the machine.",
    "a_n": "A_N: accuracy on the test images of a task after learning the last one, a_{N,j}, as a mean over tasks, "
    "the prediction being the highest logit of all classes. The other reading of 'average accuracy' is the mean of A_1,"
    " ..., A_N.",
    "plasticity_distance": "How far the weights are from where they began: Frobenius norm of W_t - W_init, mean over "
    "the matrices that are adapted.",
    "residual_norm": "Norm of what a task adds to the weights, mean over the matrices that are adapted.",
    "mask_density": "Share of the entries that a task's mask keeps.",
    "interference": "Share of a task's squared change that falls on entries which earlier tasks had changed.",
    "overlap": "Cosine between the magnitudes of a task's change and of all earlier ones.",
    "change_density": "Share of the entries that a task changed.",
    **MEMORY,
    "accuracy": "a_{i,j}: accuracy on the test images of task j after learning task i, the prediction being the "
    "highest logit of all classes seen so far.",
    "learned_accuracy": "Accuracy on a task's test images just after it was learned, a_{j,j}, as a mean over tasks.",
    "a_n_mean": "The mean of A_1, ..., A_N, A_n being the mean accuracy on tasks 1 to n after task n. The other "
    "reading of 'average accuracy' is A_N.",
    "forgetting_max": "The highest accuracy that a task had before the last one was learned, less what it has after "
    "it, as a mean over all tasks but the last; in points of %.",
    "forgetting_step": "What learning a task cost the earlier ones, the mean of a_{n-1,j} - a_{n,j} over j < n, as a "
    "mean over all tasks n but the first; in points of %.",
}

PRESENTATION = Presentation(
    columns=COLUMNS,
    more=MORE,
    meanings=MEANINGS,
    trials="class orders",
    per_trial=True,
    headline=("a_n", "forgetting_max"),
    plots=Plots(
        unit="%",
        mean="mean accuracy",
        matrix=("accuracy", "accuracy a_i,j", "its test images"),
        learned=("learned_accuracy", "accuracy just after learning, mean of a_j,j"),
        forgotten=("forgetting_max", "max,"),
    ),
    adapted="Q/K/V",
    whole="ViT",
    spread=(
        "Mean over class orders: the run seed draws the order of the classes with all else that is random, seed 0 "
        "keeps the benchmark's own order. ±: sample standard deviation (n - 1) of the whole benchmark's "
        "figure over class orders; none where there is one only."
    ),
    legend=(
        "a_{i,j}: accuracy on the test images of task j after learning task i, the prediction being the highest logit "
        "of all classes seen so far. A_n: mean of a_{n,j} over the tasks j <= n. Two readings of 'average accuracy' "
        "are in use: A_N, after the last task, and the mean of A_1..A_N. So are two of 'forgetting': max, the highest "
        "a_{i,j} before the last task less the final a_{N,j}, mean over the tasks j < N (below zero where they only "
        "rose); step, what learning a task n > 1 cost the earlier ones, the mean of a_{n-1,j} - a_{n,j} over j < n, "
        "mean over n. Learned accuracy: mean of a_{j,j}. N_param: parameters trained in a task, in % of the ViT. "
        f"{MISSING}: not defined; a method that learns all classes at once has A_N only."
    ),
    units=(
        "A_N, A_n: accuracy in %, of the last task and as a mean over n. F: forgetting in points of %, from the "
        "highest (max) and from task to task (step)."
    ),
    interval=(
        "Brackets: 95 % interval of one class order's figure, both bounds averaged over the class orders: each task's "
        "test images as drawn at random (normal approximation), the trained models held fixed. What other test "
        "images alone would change."
    ),
)
