"""`stamina-bench list`, `show` and `params`: what there is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable

from harness.cli.app import EPILOG, app, note, out


@app.command("list", epilog=EPILOG)
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List benchmarks, methods and tiers, and where each comes from."""
    from harness import registry

    kinds: dict[str, registry.Registry[Any]] = {
        "benchmark": registry.benchmarks(),
        "method": registry.methods(),
        "tier": registry.tiers(),
    }
    found = [
        {"kind": kind, "name": name, "summary": r.get(name).summary, "origin": r.origin(name)}
        for kind, r in kinds.items()
        for name in r.names()
    ]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    table = RichTable()
    for column in ("kind", "name", "summary", "origin"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*row.values())
    out.print(table)


@app.command("show", epilog=EPILOG)
def show_command(
    method: Annotated[str, typer.Argument(help="A method's name, or package.module:ClassName.")],
    tier: Annotated[str, typer.Option(help="Scale whose defaults to show.", envvar="STAMINA_BENCH_TIER")] = "mini",
    backbone: Annotated[
        str, typer.Option(help="Where to count parameters: sd-1.4, sd-2.1 (true architectures), or a pipeline.")
    ] = "sd-1.4",
    params: Annotated[
        bool, typer.Option("--params/--no-params", help="Count the parameters that a task trains; needs torch.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a method: what it trains, its loss, its options and where their defaults come from, and N_param."""
    from harness.show import as_table, counted, method_card
    from harness.weights import check_unet

    if params:
        check_unet(backbone)
    card = method_card(method, tier)
    if not as_json:
        out.print(as_table(card))
    figures = counted(method, backbone, note) if params else None
    if as_json:
        typer.echo(json.dumps({**card.model_dump(mode="json"), "parameters": figures}, indent=1, ensure_ascii=False))
    elif figures is not None:
        trained, total, share = (figures[key] for key in ("trained", "unet", "n_param"))
        text = f"{share:.2f} % ({trained:,} of {total:,} parameters), with the paper tier's options"
        out.print(f"N_param on {backbone}: {text}", markup=False, soft_wrap=True)


@app.command("params", epilog=EPILOG)
def params_command(
    backbone: Annotated[
        str, typer.Option(help="sd-1.4, sd-2.1 (true architectures, without weights), or a pipeline.")
    ] = "sd-1.4",
    methods: Annotated[str, typer.Option("--methods", "-m", help="Comma-separated names, or 'all'.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print N_param: the share of the U-Net that each method trains in one task."""
    from harness.parameters import count_parameters

    rows = count_parameters(backbone, methods)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = RichTable(title=f"Parameters trained per task, in % of the U-Net of {backbone}", title_justify="left")
    for column in ("method", "parameters", "N_param (%)"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        table.add_row(row["method"], f"{row['parameters']:,}", f"{row['n_param']:.2f}")
    out.print(table)
