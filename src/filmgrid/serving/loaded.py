"""How the models of a server are brought into memory."""

from filmgrid.costs import fitted
from filmgrid.inputs import Described
from filmgrid.loading import Loading
from filmgrid.models.places import find_model, load_facts
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest
from filmgrid.serving.config import ServeConfig


def loading_of(config: ServeConfig, model: str) -> Loading:
    """How a server loads a model: as it was told to, and mini as it is.

    Raises:
        ConfigError: if there is no way that fits into the memory asked for.
    """
    if model == "mini":
        return Loading()
    loading = config.loading
    if loading.fit_memory is None:
        return loading
    facts = load_facts(find_model(model), model, loading.lora_places)
    return fitted(loading, make_plan(GenerateRequest(model=model), facts, Described()), model)
