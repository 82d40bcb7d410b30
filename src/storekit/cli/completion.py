"""The command `completion`, which prints a script for a shell to complete commands and options."""

import click

from storekit.cli.invocation import Invocation, command

__all__ = ["completion_"]

_SHELLS = ("bash", "zsh", "fish")


@command("completion", short_help="Print completions for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_(invocation: Invocation, shell: str) -> None:
    """Print a script that lets a shell complete commands and options.

    \b
    bash:  eval "$(storekit completion bash)"     in ~/.bashrc
    zsh:   eval "$(storekit completion zsh)"      in ~/.zshrc, after compinit
    fish:  storekit completion fish > ~/.config/fish/completions/storekit.fish
    """  # noqa: D301 - after this character, click does not rewrap lines
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only needed here

    from storekit.cli.application import COMPLETION_VARIABLE, application  # noqa: PLC0415

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - all three come with click
    script = found(application, {}, "storekit", COMPLETION_VARIABLE).source()
    if invocation.json:
        invocation.output.json({"shell": shell, "script": script})
    else:
        invocation.output.raw(f"{script}\n".encode())
