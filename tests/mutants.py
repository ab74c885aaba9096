"""Would the tests notice? Breaks one line at a time in a copy of the repository, and expects the named test to fail.

Run by `nox -s mutants`, or `python tests/mutants.py [words]` for those mutants whose line or test contains a word.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = "tests/reference/test_{}_reference.py"
LOSSES, MASKS, TOKENS = REFERENCE.format("losses"), REFERENCE.format("masks"), REFERENCE.format("tokens")
EWC, MERGE, MMD = REFERENCE.format("ewc"), REFERENCE.format("merge"), REFERENCE.format("mmd")
STACK, LAYERS = "tests/harness/backbones/test_batched_adapters.py", "tests/harness/backbones/test_unet_layers.py"
MISTAKES = "tests/harness/plugins/test_plugin_mistakes.py"
VERIFY = "stamina-bench verify"
OPTIMIZATION, BALANCE = "tests/harness/settings/test_optimization.py", "tests/harness/tuning/test_balance.py"
SETTLED = "tests/methods/test_mask_training.py::test_what_is_folded_was_trained"
RESUMED = "tests/harness/store/test_checkpoint.py::test_rates_and_masks_go_on_where_they_were"
REHEARSAL = "tests/harness/tuning/test_rehearsal.py"
STEPS = "tests/harness/plugins/test_mistakes_in_steps.py"
HOOKS = "tests/harness/plugins/test_hook_texts.py"
FACES = "tests/harness/measures/test_faces.py"
CALIBRATE = "tests/harness/tuning/test_calibrate.py::test_a_table_progress_and_what_is_to_be_known"
VARIANTS, HOLDOUT = REFERENCE.format("variants"), "tests/harness/data/test_holdout.py"
TUNING = "tests/harness/tuning/test_tune.py::test_{}"
PRIOR, OPTIMUM = "tests/reference/test_prior_and_augmentation.py", "tests/reference/test_penalty_optimum.py"

RECIPES, DEFAULTS = "tests/methods/test_recipes.py", "tests/methods/test_paper_defaults.py"
CLASSES = "tests/harness/settings/classification/test_training.py"
CHECK = "tests/harness/authoring/test_method_check.py"
ORDER = "tests/harness/authoring/test_commands.py"
ORIGIN, OWN_NAMES = "tests/harness/data/images/test_origin.py", "tests/harness/front/test_own_names.py"


class Mutant(NamedTuple):
    """A file, a text that occurs in it once, what replaces it, and the tests that must then fail."""

    file: str
    text: str
    broken: str
    test: str


LEADERBOARD, IDENTITY = "tests/reports/tables/test_leaderboard.py", "tests/benchmarks/test_identity.py"
MEASURES, MEASURED = "tests/harness/measures/test_measures.py", "tests/harness/metrics/test_measured.py"
WEIGHTS = "tests/harness/measures/test_weights_of_metrics.py"

SUBSPACES, COMBINED = REFERENCE.format("subspaces"), REFERENCE.format("combined")
PROMPTED = REFERENCE.format("prompted_weights")
ALL_ATTENTION, N_PARAM = REFERENCE.format("all_attention"), "tests/methods/test_n_param.py"
FILTER, REPLAYED, HEADS = (REFERENCE.format(name) for name in ("optimizer_filter", "rehearsal", "heads"))

LATER_FAMILIES = "tests/harness/backbones/test_later_families.py"

MUTANTS = (
    # later families of models
    Mutant("harness/backbones/noise.py", "(1 - sigma) * latents + sigma * noise", "latents + sigma * noise",
           LATER_FAMILIES),
    Mutant("harness/backbones/noise.py", "return noise - latents", "return noise", LATER_FAMILIES),
    Mutant("harness/backbones/noise.py", "torch.sigmoid(torch.randn(count, generator=generator))",
           "torch.rand(count, generator=generator)", LATER_FAMILIES),
    Mutant("harness/backbones/text.py", "ids.where(ids < self.vocabulary, 0)",
           "ids.where(ids < self.vocabulary, self.vocabulary - 1)", LATER_FAMILIES),
    Mutant("harness/backbones/text.py", "self._own.get(number, number)", "number", LATER_FAMILIES),
    Mutant("harness/backbones/text.py", "for table in tables_of(encoder):", "for table in [self._table]:",
           LATER_FAMILIES),
    Mutant("harness/backbones/text_to_image.py", "zip(self.readers, embedding.split(self.token_widths), strict=True)",
           "zip(self.readers[:1], embedding.split(self.token_widths), strict=False)", LATER_FAMILIES),
    Mutant("harness/backbones/text_to_image.py", "self.denoiser.enable_gradient_checkpointing()", "pass",
           LATER_FAMILIES),
    Mutant("harness/backbones/families/stable_diffusion_xl.py", "found.zeros() if self.empty_is_zero else found",
           "found", LATER_FAMILIES),
    Mutant("harness/backbones/families/stable_diffusion_xl.py", "[side, side, 0, 0, side, side]",
           "[side, side, 0, 0, 0, 0]", LATER_FAMILIES),
    Mutant("harness/backbones/families/pixart.py", "return predicted[:, : noisy.shape[1]]",
           "return predicted[:, -noisy.shape[1] :]", LATER_FAMILIES),
    Mutant("harness/backbones/families/pixart.py", "return Text(reader.encode(ids, attention_mask=mask)[0], mask=mask)",
           "return Text(reader.encode(ids)[0], mask=mask)", LATER_FAMILIES),
    Mutant("harness/backbones/families/stable_diffusion_3.py", "pad(clip, (0, width - clip.shape[-1]))",
           "pad(clip, (width - clip.shape[-1], 0))", LATER_FAMILIES),
    Mutant("harness/backbones/families/stable_diffusion_3.py", '"attn.add_k_proj", "attn.add_v_proj"',
           '"attn.add_k_proj", "attn2.to_v"', LATER_FAMILIES),
    Mutant("methods/parts/tokens.py", "model.token_scale(part) *", "model.token_scale(0) *", LATER_FAMILIES),
    Mutant("methods/parts/subspaces.py", "total, count = found[place][0] + total, found[place][1] + count",
           "total, count = found[place][0] + total, count", "tests/reference/test_subspaces_reference.py"),
    Mutant("harness/backbones/extractor.py", 'with torch.random.fork_rng(devices=[]):  # weights are drawn',
           'if True:  # weights are drawn', WEIGHTS),
    # later methods
    Mutant("methods/parts/subspaces.py", "now.T).abs().sum()", "now.T).square().sum()", SUBSPACES),
    Mutant(
        "methods/parts/subspaces.py", "((now @ past[name]) * now)", "((now @ past[name]) * past[name][: len(now)])",
        SUBSPACES,
    ),
    Mutant(
        "methods/parts/subspaces.py", "moment - basis @ (basis.T @ moment)", "moment + basis @ (basis.T @ moment)",
        SUBSPACES,
    ),
    Mutant("methods/parts/subspaces.py", "rows, torch.zeros_like(rows))", "rows, rows)", SUBSPACES),
    Mutant("methods/parts/subspaces.py", "* 3**-0.5", "* 2**-0.5", SUBSPACES),
    Mutant("methods/parts/subspaces.py", "while held < threshold", "while held < threshold**2", SUBSPACES),
    Mutant(
        "methods/parts/subspaces.py", "basis.T[torch.randperm", "torch.randn(columns, columns).double()[torch.randperm",
        SUBSPACES,
    ),
    Mutant("methods/parts/subspaces.py", "return rows.T @ rows / len(rows)", "return rows.T @ rows", SUBSPACES),
    Mutant(
        "methods/o_lora.py", "a.B if self.options.factor == \"B\"", "a.B if self.options.factor == \"A\"",
        SUBSPACES,
    ),
    Mutant("methods/parts/prompted.py", "(a @ past[name].mT).abs()", "(a @ past[name].mT)", PROMPTED),
    Mutant("methods/parts/prompted.py", "(a - 1).square()", "a.square()", PROMPTED),
    Mutant("methods/parts/prompted.py", "amax(dim=1)", "mean(dim=1)", PROMPTED),
    Mutant("methods/parts/prompted.py", "weight - self.past + self", "weight + self", PROMPTED),
    Mutant("methods/cidm.py", "[0][place]", "[0][-1]", PROMPTED),
    Mutant("methods/dreambooth_lora.py", "(self.options.train_token)", "(True)", ALL_ATTENTION),
    Mutant("methods/dreambooth_lora.py", 'adapts = "attention"', 'adapts = "text"', N_PARAM),
    Mutant("harness/backbones/adapters.py", '"to_out.0", "add_q_proj"', '"add_q_proj"', ALL_ATTENTION),
    Mutant("methods/lora_alone.py", "return 1 / count", "return 0.6", SUBSPACES),
    Mutant("methods/lora_alone.py", "return self.options.merge_weight", "return 1 / count", SUBSPACES),
    Mutant("methods/parts/combined.py", "- self.past_A @ self.past_B", "- self.past_A @ self.B", COMBINED),
    Mutant("methods/parts/combined.py", "rest - along *", "rest + along *", COMBINED),
    Mutant("methods/parts/combined.py", "new.abs() >= self.change.abs()", "new >= self.change", COMBINED),
    Mutant("methods/parts/combined.py", "new, self.change) - self.change", "new, self.change)", COMBINED),
    Mutant("methods/regularised.py", "(past + new).square()", "(past - new).square()", COMBINED),
    Mutant("methods/regularised.py", "if kind == trained[layer]", "if kind == \"to_k\"", COMBINED),
    Mutant("methods/mofo.py", "return size >= smallest", "return size <= smallest", FILTER),
    Mutant("methods/mofo.py", "size = momentum.abs()", "size = momentum", FILTER),
    Mutant("harness/settings/masked_updates.py", "parameter.grad * (1 - decay)", "parameter.grad", FILTER),
    Mutant(
        "harness/settings/masked_updates.py", "torch.where(mask, parameter, before)",
        "torch.where(mask, before, parameter)", FILTER,
    ),
    Mutant("methods/parts/rehearsal.py", "weight / more", "weight / count", REPLAYED),
    Mutant("methods/parts/rehearsal.py", "key=lambda token: (len(token), token)", "key=str", REPLAYED),
    Mutant("methods/ewc_dc.py", "-self.options.scale * errors", "self.options.scale * errors", REPLAYED),
    Mutant(
        "methods/parts/fisher.py", "unflatten(0, (size, -1)).flatten(1, 2)  # an",
        "unflatten(0, (-1, size)).transpose(0, 1).flatten(1, 2)  # an", REPLAYED,
    ),
    Mutant("methods/drift_correction.py", "with self.model.pretrained():", "if True:", REPLAYED),
    Mutant("methods/parts/heads.py", "gram + ridge *", "gram - ridge *", HEADS),
    Mutant("methods/parts/heads.py", "values / (values.square() + ridge)", "values / (values + ridge)", HEADS),
    Mutant("methods/parts/heads.py", "return relu(features", "return (features", HEADS),
    Mutant("methods/parts/heads.py", "norms).mean(dim=0)", "norms).sum(dim=0)", HEADS),
    Mutant("methods/parts/heads.py", "0.9 + 0.1 * (tasks + 1)", "0.9 + 0.1 * tasks", HEADS),
    # measures that runs may ask for
    Mutant("harness/measures/cosine.py", "unit(generated) @ unit(real).T", "unit(generated) @ real.T", MEASURES),
    Mutant("harness/measures/clip_i.py", ".mean(axis=1)", ".max(axis=1)", MEASURES),
    Mutant("harness/measures/faces.py", "(task) < SAME", "(task) > SAME", FACES),
    Mutant("harness/measures/faces.py", "max(boxes", "min(boxes", FACES),
    Mutant("harness/measures/lpips.py", "SHIFT, SCALE = (-0.030,", "SHIFT, SCALE = (0.030,", WEIGHTS),
    Mutant("harness/measures/lpips.py", "ichw,c,jchw->ij", "ichw,d,jchw->ij", WEIGHTS),
    Mutant("harness/measures/lpips.py", "LOOKED_AT = (3, ", "LOOKED_AT = (2, ", WEIGHTS),
    Mutant("harness/measures/dino.py", "similarities(generated, real)", "similarities(generated, generated)", WEIGHTS),
    Mutant("harness/measures/pickscore.py", "text=[task.wording]", "text=[task.prompt]", WEIGHTS),
    Mutant("harness/plugins/metric_weights.py", "_HASHES.folder(place), weights", "\"\", weights", WEIGHTS),
    Mutant("harness/measures/clip_t.py", "task.text[None]", "abs(task.text[None])", MEASURES),
    Mutant("harness/measures/base_drift.py", ".sum(axis=1) / 2", ".sum(axis=1)", MEASURES),
    Mutant("harness/measures/fid.py", "features.astype(np.float64)", "features[:4].astype(np.float64)", MEASURES),
    Mutant(
        "harness/measures/identity_map.py", '(all_sorted, right_sorted, side="left")',
        '(all_sorted, right_sorted, side="right")', MEASURES,
    ),
    Mutant("benchmarks/mini/identity.py", "VARIANCE = 1 / 12", "VARIANCE = 1 / 6", IDENTITY),
    Mutant("benchmarks/mini/identity.py", "level == task.truth[name]", "level != task.truth[name]", IDENTITY),
    Mutant("reports/tables/leaderboard.py", "-1 if column.higher else 1", "1", LEADERBOARD),
    Mutant("reports/tables/leaderboard.py", "other_high < low", "other_high <= high", LEADERBOARD),
    Mutant("harness/measures/cmmd.py", "/ SIGMA**2", "/ (2 * SIGMA**2)", MEASURES),
    Mutant("harness/measures/identity_retrieval.py", "centres.T).argmax", "centres.T).argmin", MEASURES),
    Mutant("harness/measures/vendi.py", "np.exp(-(positive", "np.exp((positive", MEASURES),
    Mutant("harness/metrics/measured.py", "(self.n - 1) / self.n * np.sum", "1 / self.n * np.sum", MEASURED),
    Mutant("harness/metrics/measured.py", "less(value) if higher", "less(value) if not higher", MEASURED),
    Mutant("harness/metrics/measured.py", "np.concatenate(moved)", "np.concatenate(moved[:1])", MEASURED),
    Mutant("harness/metrics/measured.py", "/ len(values) for each", "for each", MEASURED),
    # the penalties
    Mutant("methods/parts/losses.py", "change * each for", "each for", LOSSES),
    Mutant("methods/parts/losses.py", "product.dot(product)", "product.abs().sum()", OPTIMUM),
    Mutant("methods/parts/losses.py", "mask.detach().sign()", "torch.ones_like(mask)", LOSSES),
    Mutant("methods/parts/losses.py", 'if reduction == "sum"', 'if reduction == "mean"', LOSSES),
    Mutant("methods/parts/losses.py", "(exact / scale)", "exact", LOSSES),
    Mutant("methods/parts/losses.py", "vector_norm(exact.square())", "vector_norm(exact)", LOSSES),
    Mutant("harness/tuning/balance.py", "free.penalty / FEATHER", "free.penalty", BALANCE),
    Mutant("harness/tuning/balance.py", "ended.penalty / weight / unpressed", "ended.penalty / unpressed", BALANCE),
    Mutant("harness/tuning/balance.py", "train(last.weight, draw).share", "train(last.weight, 0).share", BALANCE),
    Mutant("harness/tuning/calibrate.py", "if alone.get(name, 0.0) > 0 else 2", "", CALIBRATE),
    Mutant("harness/settings/customization/rehearsal.py", "self._train(1, before, {}, draw)",
           "self._train(1, before, {}, 0)", REHEARSAL),
    # mistakes of plugins
    Mutant("harness/plugins/training_checks.py", "{id(leaf), self._whole.get(id(leaf))} & reached",
           "{id(leaf)} & reached", STEPS),
    Mutant("harness/plugins/batches.py", "(batch.share.sum()) - count", "(batch.share.sum()) - 1", STEPS),
    Mutant("harness/plugins/batches.py", "self._kept = [(name, kept)", "self._kept = [(name, 0 * kept)", STEPS),
    Mutant("harness/sources/hook_texts.py", "method.independent and not", "not", HOOKS),
    Mutant("harness/plugins/batches.py", "if token not in known:", "if False:", STEPS),
    Mutant("harness/plugins/batches.py", "** self._own < CHANCE", "** self._own < 0", STEPS),
    Mutant("harness/plugins/batches.py", "if name != own and not any(", "if name != own and False and not any(", CHECK),
    Mutant("harness/plugins/hooks.py", "if learnt and method.task_index > 1", "if learnt and method.task_index > 9",
           MISTAKES),
    Mutant("harness/sources/source_notes.py", "if made and not any(", "if not made and not any(",
           "tests/harness/sources/test_source_notes.py"),
    Mutant("harness/authoring/method_check.py", "if gap:", "if gap > 1e9:", CHECK),
    Mutant("harness/authoring/method_check.py", "OTHER_ORDER if fresh", "None if fresh", ORDER),
    Mutant("harness/records/run_file.py", "is_ours(cell.method)", "names()", ORDER),
    Mutant("reports/cells/without_effect.py", "by_task > 1", "by_task > 99",
           "tests/reports/cells/test_without_effect.py"),
    # what photographs say of themselves
    Mutant("harness/data/images/origin.py", "stated == [height, width]", "stated == [width, height]", ORIGIN),
    Mutant("harness/data/images/origin.py", "_DRAWN_WITH & text", "_DRAWN_WITH - text", ORIGIN),
    Mutant("harness/data/misfiled.py", "2 * len(second) < MOSTLY", "4 * len(second) < MOSTLY",
           "tests/harness/data/test_misfiled.py"),
    Mutant("harness/data/images/shapes.py", "> BLURRED * max(", "> 0 * max(", "tests/harness/data/test_odd_shapes.py"),
    # names of the user's own
    Mutant("harness/engine/plan.py", "({} if self.called else", "({} if False else", OWN_NAMES),
    Mutant("harness/overrides.py", "{spec.shown: registry", "{spec.name: registry", OWN_NAMES),
    # how steps are made of gradients
    Mutant("harness/settings/optimization.py", "eps=options.adam_eps, ", "", OPTIMIZATION),
    Mutant("harness/settings/optimization.py", "[next(each) for _ in own]).norm()",
           "[next(each) for _ in own]).max()", OPTIMIZATION),
    Mutant("harness/settings/optimization.py", "1 - over, ", "1 - over / 2, ", OPTIMIZATION),
    Mutant("harness/settings/customization/training.py", "loop.step, o.steps)", "0, o.steps)", RESUMED),
    Mutant("harness/settings/training_loop.py", "stack.progress = self.step / self.total", "stack.progress = 0.0",
           SETTLED),
    Mutant("methods/parts/masks.py", "progress >= 1 - self.settle", "False", MASKS),
    Mutant("methods/parts/masks.py", "apply(logits, torch.zeros_like(logits), tau)",
           "apply(logits, torch.ones_like(logits), tau)", MASKS),
    # residuals and masks
    Mutant("methods/parts/products.py", "else left @ right", "else left @ right / len(right)", LOSSES),
    Mutant("methods/parts/masks.py", "(drop / keep).log_()", "(drop / keep)", MASKS),
    Mutant("methods/parts/masks.py", "torch.gt(noisy, 0,", "torch.gt(noisy, 0.1,", MASKS),
    Mutant("methods/parts/masks.py", "value=-1).div_(tau)", "value=-1)", MASKS),
    Mutant("methods/parts/tokens.py", "relu(self.weight1.sum(dim=1) + self.bias1)",
           "(self.weight1.sum(dim=1) + self.bias1)", TOKENS),
    # what is computed together, or in an order of its own
    Mutant("harness/backbones/batched_adapters.py", "(self.joint, place)", "(self.joint, 0)", STACK),
    Mutant("harness/backbones/batched_adapters.py", "all(map(_says_stackable, map(type, one.modules()))) and",
           "", STACK),
    Mutant("harness/backbones/batched_adapters.py", 'defined - {"__init__"}', "not defined", STACK),
    Mutant("harness/backbones/batched_adapters.py", "uses[id(tensor)] == 1", "uses[id(tensor)]", STACK),
    Mutant("harness/backbones/batched_adapters.py", "[self.place] += self.own.grad", "[self.place] += 0", MISTAKES),
    Mutant("harness/backbones/batched_adapters.py", "part.copy_(self.own.data)", "pass", MISTAKES),
    Mutant("harness/plugins/gradients.py", "if id(leaf) not in known:", "if False:", MISTAKES),
    Mutant("harness/plugins/gradients.py", "and term.item() != 0", "and False", MISTAKES),
    Mutant("methods/parts/masks.py", "unbind(len(outer))", "flip(len(outer)).unbind(len(outer))", STACK),
    Mutant("harness/backbones/packed_convolutions.py", "weight.flip(2, 3)", "weight", LAYERS),
    Mutant("harness/backbones/packed_convolutions.py", "self._packed[0] != state", "False", LAYERS),
    Mutant("harness/backbones/attention.py", "rows = key.shape[0]", "rows = count", LAYERS),
    # EWC
    Mutant("methods/parts/fisher.py", ".square().sum(dim=0)", ".sum(dim=0).square()", EWC),
    Mutant("methods/parts/fisher.py", "fisher / count", "fisher / batch_size", EWC),
    Mutant("methods/parts/fisher.py", "return 0.5 * torch.stack", "return torch.stack", OPTIMUM),
    Mutant("methods/parts/fisher.py", "anchor + weight *", "anchor + 0.5 *", EWC),
    # the merge
    Mutant("methods/parts/merging.py", "torch.linalg.cholesky(gram_)", "torch.eye(len(gram_)).to(gram_)", MERGE),
    Mutant("methods/parts/merging.py", "targets.T - initial @ constraints.T", "targets.T", MERGE),
    Mutant("methods/parts/merging.py", "row[1:length]", "row[:length]", MERGE),
    Mutant("methods/custom_diffusion_merge.py", "own = fresh @ alone[name]", "own = fresh @ initial.cpu()", MERGE),
    # class images and augmentation
    Mutant("harness/settings/customization/prior.py", "[weight / count]", "[1 / count]", PRIOR),
    Mutant("harness/settings/customization/augmentation.py", "-(-start // factor)", "start // factor", PRIOR),
    Mutant("harness/settings/customization/augmentation.py", "image = image.flip(2)", "image = image.flip(1)", PRIOR),
    Mutant("harness/settings/customization/task_data.py", "/ counted.sum(dim=(1, 2, 3))",
           "/ counted[0].numel()", PRIOR),
    # recipes of the paper tier
    Mutant("methods/custom_diffusion.py", '8e-5, gt=0, description="AdamW rate of the K',
           '1e-5, gt=0, description="AdamW rate of the K', RECIPES),
    Mutant("methods/textual_inversion.py", "Field(2e-3", "Field(5e-4", RECIPES),
    Mutant("methods/textual_inversion.py", "Field(\n        0, ge=0", "Field(\n        200, ge=0", RECIPES),
    Mutant("harness/method.py", 'getattr(self.options, "prior_images", 0)', "0", RECIPES),
    Mutant("harness/settings/customization/task_data.py", "augmented if options.augment else", "", RECIPES),
    Mutant("harness/settings/customization/task_data.py", "options.prior_weight, generator) if options.prior_images",
           "1.0, generator) if options.prior_images", RECIPES),
    Mutant("harness/spec.py", "for name in vars(kind).get(", "for name in {}.get(", RECIPES),
    Mutant("harness/spec.py", '"prior_images": 0, "augment": False,', '"augment": False,', RECIPES),
    Mutant("harness/spec.py", "max_grad_norm: float = Field(1.0", "max_grad_norm: float = Field(2.0", DEFAULTS),
    Mutant("harness/settings/classification/epochs.py", "batch_size if drop_last", "batch_size if False", CLASSES),
    Mutant("harness/settings/classification/epochs.py", "if short < images else images", "", CLASSES),
    Mutant("methods/stamina.py", "lambda_forget: float = Field(0.5", "lambda_forget: float = Field(1e3", CLASSES),
    # the metric
    Mutant("harness/metrics/mmd.py", "DEGREE, COEF = 3, 1.0", "DEGREE, COEF = 2, 1.0", MMD),
    Mutant("harness/metrics/variants.py", "(self.scale or width)", "width", VARIANTS),
    Mutant("harness/metrics/variants.py", "if self.unit else products", "if not self.unit else products", VARIANTS),
    Mutant("harness/metrics/variants.py", "forgetting[:, :-1]", "forgetting", VARIANTS),
    # what is measured against is never trained on
    Mutant("benchmarks/mini/concepts.py", "if self.held_out:\n", "if False:\n", HOLDOUT),
    Mutant("benchmarks/mini/concepts.py", "number, held_out=True)", "number)", HOLDOUT),
    Mutant("harness/settings/customization/plan.py", "[taught_from[task.index", "[real[task.index", HOLDOUT),
    Mutant("harness/data/holdout.py", "if place not in apart", "", HOLDOUT),
    Mutant("harness/data/holdout.py", "(len(group) > 1, min", "(False, min", HOLDOUT),
    Mutant("harness/data/holdout.py", "_drawn(keys[one])", "_drawn(str(one))", HOLDOUT),
    # tuning
    Mutant("harness/settings/base.py", "name = self.trial_metrics[0]", "name = self.trial_metrics[-1]",
           TUNING.format("forgetting_is_reported_and_not_counted_a_second_time")),
    Mutant("harness/tuning/searches.py", "room=self.room, edges_first=True", "edges_first=True",
           TUNING.format("every_method_gets_the_same_trials_wherever_its_ranges_begin")),
    Mutant("harness/tuning/pattern_search.py", "if self.edges_first:", "if False:",
           TUNING.format("edges_are_looked_beyond_first_and_within_the_budget")),
    Mutant("harness/tuning/rounds.py", "fmean(values) for", "values[0] for",
           TUNING.format("the_mean_over_seeds_counts")),
    Mutant("methods/clora.py", '"lambda_forget": parts.FORGET_GRID', '"lambda_forget": (0.3, 1.0, 3.0)',
           TUNING.format("c_lora_and_stamina_search_the_same_grid_of_lambda_forget")),
    # and would `stamina-bench verify` notice?
    Mutant("methods/parts/losses.py", "return torch.stack([product", "return -torch.stack([product", VERIFY),
    Mutant("methods/parts/masks.py", "return (logits > 0)", "return (logits > 1)", VERIFY),
    Mutant("methods/parts/masks.py", "torch.gt(noisy, 0,", "torch.gt(noisy, 2.2,", VERIFY),
    Mutant("harness/prompts.py", "a photo of a {subject}", "a person, {subject}", VERIFY),
    Mutant("harness/metrics/mmd.py", "DEGREE, COEF = 3, 1.0", "DEGREE, COEF = 2, 1.0", VERIFY),
)  # fmt: skip


def copy_of_the_repository(folder: Path) -> Path:
    """All files that git knows or would take."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def failing(copy: Path, tests: list[str], environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a test fails in the copy, and pytest's line about it.

    Raises:
        RuntimeError: the tests could not be run at all.
    """
    if VERIFY in tests:
        return verify_fails(copy, environment)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "--no-header", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)} cannot be run:\n{done.stdout}{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 1, lines[0] if lines else done.stdout.strip().splitlines()[-1]


def verify_fails(copy: Path, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the regression check fails, by a figure that moved or by a protocol that is another; and what it says.

    Raises:
        RuntimeError: it came to no verdict.
    """
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-c", "from harness.cli import main; main()", "verify", "-q", "-o", runs]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    refused = done.returncode == 2 and "protocol" in done.stderr
    if done.returncode not in (0, 3) and not refused:
        raise RuntimeError(f"verify came to no verdict:\n{done.stdout}{done.stderr}")
    said = (done.stderr if refused else done.stdout).strip().splitlines()
    worst = [line for line in said if "regression" in line or "changed" in line or "protocol" in line]
    return done.returncode != 0, (worst or said)[0].strip()


def main(words: list[str]) -> int:
    """Print a table; 1 if a mutant survives, if its text is not there exactly once, or if a test fails without it."""
    chosen = [m for m in MUTANTS if not words or any(word in part for word in words for part in m)]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_repository(Path(folder))
        # no bytecode: a file broken and mended within a second would be taken from the cache
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        find = "import harness.method, methods.parts; print(harness.method.__file__, methods.parts.__file__)"
        found = subprocess.run([sys.executable, "-c", find], cwd=copy, env=environment, capture_output=True, text=True)
        if found.stdout.count(str(copy)) != 2:
            raise RuntimeError(f"the copy is not what is imported: {found.stdout}{found.stderr}")
        for tests in ({m.test for m in chosen} - {VERIFY}, {m.test for m in chosen} & {VERIFY}):
            failed, line = failing(copy, sorted(tests), environment) if tests else (False, "")
            if failed:
                print(f"fails without any mutant: {line}")
                return 1
        for mutant in chosen:
            path = copy / mutant.file
            whole = path.read_text(encoding="utf-8")
            if whole.count(mutant.text) != 1:
                verdict, line = "MISSING", f"the text occurs {whole.count(mutant.text)} times"
            else:
                path.write_text(whole.replace(mutant.text, mutant.broken), encoding="utf-8")
                failed, line = failing(copy, [mutant.test], environment)
                path.write_text(whole, encoding="utf-8")
                verdict = "killed" if failed else "SURVIVED"
            bad += verdict != "killed"
            print(f"{verdict:9} {mutant.file}: {mutant.text!r} -> {mutant.broken!r}\n          {line}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} killed")
    return int(bad > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
