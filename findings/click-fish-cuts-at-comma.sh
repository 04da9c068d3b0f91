#!/usr/bin/env bash
# In fish, click's completion offers nothing once the typed value has a comma.
#
# One would guess: what `shell_complete` returns is what the Tab key inserts, in every shell: in bash and zsh it is.
# What happens: click prints a completion for fish as "type,value", and the script that it generates for fish splits the line at
# every comma and offers the second part. Of `banana,apple` that is `banana`, which fish drops: it does not begin as what was typed.
# Who meets it: every command with an option that takes a list with commas, as kubectl's and ours do, or with names of things
# that have commas, such as addresses. The test of the program by `CliRunner` or by bash shows nothing of it.
# Source: click's shell_completion.py, `_SOURCE_FISH` (`string split ","`), 8.1.8 and 8.5.1, beside fish 3.6.0 (Debian 12).
# bash, the control, gets the whole value.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! command -v fish > "$folder/which"; then
  (cd "$folder" && apt-get download -q fish fish-common && for package in ./*.deb; do dpkg -x "$package" root; done)
  export PATH="$folder/root/usr/bin:$PATH"
fi
cat > "$folder/pick.py" <<'PYTHON'
import click
from click.shell_completion import CompletionItem


def names(context, parameter, typed):
    start, comma, last = typed.rpartition(",")
    return [CompletionItem(start + comma + name) for name in ("apple", "apricot", "banana") if name.startswith(last)]


@click.command()
@click.option("--fruit", shell_complete=names)
def pick(fruit):
    print(fruit)


pick(prog_name="pick")
PYTHON
look() {
  "${PYTHON:-python3}" -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "click==$1"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$folder/venv/bin/python" "$folder/pick.py" > "$folder/venv/bin/pick"
  chmod +x "$folder/venv/bin/pick"
  export PATH="$folder/venv/bin:$PATH"
  _PICK_COMPLETE=fish_source pick > "$folder/pick.fish"
  in_fish=$(HOME="$folder" fish --no-config -c "source $folder/pick.fish; complete -C 'pick --fruit banana,ap'" | sort -u | tr '\n' ' ')
  in_bash=$(COMP_WORDS='pick --fruit banana,ap' COMP_CWORD=2 _PICK_COMPLETE=bash_complete pick | tr '\n' ' ')
  echo "click $1, $(fish --version): typed 'banana,ap'; fish offers '$in_fish', bash is given '$in_bash'"
  [ "$in_bash" = 'plain,banana,apple plain,banana,apricot ' ] || { echo 'bash: that has changed'; exit 1; }
  case "$in_fish" in *apple* | *apricot*) echo 'fish: that has changed'; exit 1 ;; esac
}
look 8.1.8
look 8.5.1
echo 'as described'
