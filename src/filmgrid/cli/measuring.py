"""What each command that measures does."""

import json
from pathlib import Path

from filmgrid.bars.config import BarsConfig
from filmgrid.bench.config import BenchConfig
from filmgrid.cli.parts import Action, of_kind
from filmgrid.cli.settings import (
    Bars,
    Bench,
    Compare,
    Evaluate,
    Metrics,
    Probe,
    Protocol,
    Report,
    VerifyLora,
)
from filmgrid.errors import ConfigError
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.request.models import ProbeRequest, VerifyRequest


def _verify_lora(config: VerifyLora) -> None:
    from filmgrid.verifying import verify_lora

    told = verify_lora(of_kind(VerifyRequest, config))
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _probe(config: Probe) -> None:
    from filmgrid.probing import probe_model

    told = probe_model(of_kind(ProbeRequest, config))
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _evaluate(config: Evaluate) -> None:
    from filmgrid.commands import evaluate

    settings = of_kind(EvaluateConfig, config)
    told = evaluate(settings, config.out, config.report)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _measure(config: Bars) -> None:
    from filmgrid.commands import measure_bars

    told = measure_bars(of_kind(BarsConfig, config), config.out)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _compare(config: Compare) -> None:
    from filmgrid.commands import compare

    told = compare(config.first, config.second, config.report)
    if config.json_output:
        print(json.dumps([each.model_dump(mode="json") for each in told.values()], indent=2))
    else:
        print("\n".join(each.text() for each in told.values()))


def _report(config: Report) -> None:
    from filmgrid.evaluation.report import write_report
    from filmgrid.evaluation.results import read_evaluation

    print(write_report(read_evaluation(config.evaluation), config.out))


def _metrics(config: Metrics) -> None:
    from dataclasses import asdict

    from filmgrid.evaluation.catalogue import CATALOGUE, in_words

    listed = [asdict(metric) for metric in CATALOGUE.values()]
    print(json.dumps(listed, indent=2) if config.json_output else in_words())


def _protocol(config: Protocol) -> None:
    from filmgrid.commands import evaluate
    from filmgrid.evaluation.protocol_words import as_record, described, in_words
    from filmgrid.evaluation.protocols import (
        PROTOCOLS,
        check_protocol,
        find_protocol,
        protocol_config,
    )

    if not config.name:
        records = [as_record(each) for each in PROTOCOLS.values()]
        print(json.dumps(records, indent=2) if config.json_output else in_words())
        return
    protocol = find_protocol(config.name)
    if config.generated is not None:
        if config.data is None:
            raise ConfigError("Made clips are held against real ones. Name them with --data DIR.")
        names = set(Protocol.model_fields) & set(EvaluateConfig.model_fields) - {"generated"}
        asked = {name: getattr(config, name) for name in names}
        settings = protocol_config(protocol, config.data, config.generated, **asked)
        told = evaluate(settings, config.out, config.report)
        print(told.model_dump_json(indent=2) if config.json_output else told.text())
        return
    if config.out or config.report:
        raise ConfigError("Nothing is measured without made clips. Name them with --generated.")
    state = None
    if config.data is not None:
        state = check_protocol(protocol, config.data, weights=config.weights, frames=config.frames)
    if config.json_output:
        print(json.dumps(as_record(protocol) | (state.as_record() if state else {}), indent=2))
    else:
        print(described(protocol, config.data or Path("DATA")))
        print(f"\n{state.text()}" if state else "\nSee what is there with --data DIR.")
    if state and not state.is_there:
        raise SystemExit(2)


def _bench(config: Bench) -> None:
    from filmgrid.bench.command import bench

    found = bench(of_kind(BenchConfig, config), config.out)
    print(found.model_dump_json(indent=2) if config.json_output else found.text())


MEASURING_ACTIONS: dict[str, Action] = {
    "verify-lora": (VerifyLora, _verify_lora),
    "probe": (Probe, _probe),
    "evaluate": (Evaluate, _evaluate),
    "measure": (Bars, _measure),
    "compare": (Compare, _compare),
    "report": (Report, _report),
    "metrics": (Metrics, _metrics),
    "protocol": (Protocol, _protocol),
    "bench": (Bench, _bench),
}
