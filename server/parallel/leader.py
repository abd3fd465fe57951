"""An engine's parts, with the other ranks started where the configuration asks for some."""

from server.config import EngineConfig
from server.engine.assembly import Assembly, assemble
from server.parallel.followers import Followers


def assemble_team(config: EngineConfig) -> tuple[Assembly, Followers | None]:
    """Start the followers, if any, and build the leader's parts.

    Raises:
        ModelLoadError: the checkpoint cannot be loaded, or a rank cannot start.
        ConfigError: the settings cannot work together, or there are too few GPUs.
    """
    if config.tensor_parallel == 1:
        return assemble(config), None
    followers = Followers(config)
    try:
        parts = assemble(config, followers.team)
    except BaseException:
        followers.close()
        raise
    parts.runner.executor.followers = followers
    return parts, followers
