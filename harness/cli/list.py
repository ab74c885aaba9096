"""`stamina-bench list`, `show` and `params`: what there is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, MethodArgument, app, note, out
from harness.front.option_values import known_setting

Setting = Annotated[
    str | None,
    typer.Option(help="customization or classification; default the first that the method is for.", show_default=False),
]


class Kind(StrEnum):
    """What there is to list."""

    BENCHMARKS = "benchmarks"
    METHODS = "methods"
    TIERS = "tiers"
    METRICS = "metrics"


@app.command("list", epilog=EPILOG)
def list_command(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.", show_default=False)] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Settings, where each comes from, licence and citation.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List benchmarks, methods, tiers and metrics."""
    from harness.front.catalogue import listed

    found = [row for row in listed() if kind is None or f"{row['kind']}s" == kind]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    columns = [*(["kind"] if kind is None else []), "name", "summary", *(["settings", "origin"] if verbose else [])]
    table = RichTable(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("kind", "name"))
    for row in found:
        words = {**row, "settings": ", ".join(row["settings"])}
        table.add_row(*(Text(words[column]) for column in columns))
    out.print(table)
    for text in _terms(found) if verbose else ():
        out.print(text, markup=False, soft_wrap=True)


def _terms(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line on each licence and citation; plugins that say the same share it."""
    for field, words in (("licence", "Licence of"), ("citation", "To cite for")):
        said: dict[str, list[str]] = {}
        for row in rows:
            if row[field]:
                said.setdefault(row[field], []).append(row["name"])
        yield from (f"{words} {', '.join(names)}: {text}" for text, names in said.items())


@app.command("show", epilog=EPILOG)
def show_command(
    method: MethodArgument,
    tier: Annotated[str, typer.Option(help="Scale whose defaults to show.", envvar="STAMINA_BENCH_TIER")] = "mini",
    setting: Setting = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Where to count parameters: sd-1.4 (the default), sd-2.1 (true architectures), a pipeline; of a "
            "classifier a timm ViT's name or folder, by default the paper tier's.",
            show_default=False,
        ),
    ] = None,
    params: Annotated[
        bool, typer.Option("--params/--no-params", help="Count the parameters that a task trains; needs torch.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a method: what it trains, its loss, its options and where their defaults come from, and N_param."""
    from harness import registry
    from harness.method_card import as_table, counted, method_card

    card = method_card(method, tier, known_setting(setting))
    of = registry.setting(card.setting)
    backbone = backbone or of.counting_backbone(registry.tiers().get("paper"))
    if params:
        of.check_counting(backbone)
    if not as_json:
        out.print(as_table(card))
    figures = counted(method, backbone, note, card.setting) if params else None
    if as_json:
        typer.echo(json.dumps({**card.model_dump(mode="json"), "parameters": figures}, indent=1, ensure_ascii=False))
    elif figures is not None:
        share, trained = figures.pop("n_param"), figures.pop("trained")
        total = next(value for name, value in figures.items() if name != "backbone")
        text = f"{share:.2f} % ({trained:,} of {total:,} parameters), with the paper tier's options"
        out.print(f"N_param on {backbone}: {text}", markup=False, soft_wrap=True)


@app.command("params", epilog=EPILOG)
def params_command(
    backbone: Annotated[
        str | None,
        typer.Option(
            help="sd-1.4 (the default), sdxl, ... (true architectures, without weights), or a pipeline; of "
            "classification a timm ViT's name or folder, by default the paper tier's.",
            show_default=False,
        ),
    ] = None,
    setting: Annotated[str, typer.Option(help="customization or classification.")] = "customization",
    methods: Annotated[str, typer.Option("--methods", "-m", help="Comma-separated names, or 'all'.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print N_param: the share of the U-Net, transformer or ViT that each method trains in one task."""
    from harness import registry

    of = registry.setting(known_setting(setting))
    backbone = backbone or of.counting_backbone(registry.tiers().get("paper"))
    rows = of.count_parameters(backbone, methods)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    title = Text(f"Parameters trained per task, in % of the {of.whole_of(backbone)} of {backbone}")
    table = RichTable(title=title, title_justify="left")
    for column in ("method", "parameters", "N_param (%)"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        table.add_row(row["method"], f"{row['parameters']:,}", f"{row['n_param']:.2f}")
    out.print(table)
