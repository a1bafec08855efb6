# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# completion.bash - completion of vmdemo's subcommands, options, devices, settings and disks

_vmdemo_devices() {
	local dir
	for dir in /sys/class/vmdemo/vmdemo*; do
		[ ! -e "$dir" ] || echo "${dir##*/}"
	done
}

# The settings of a device, as NAME=.
_vmdemo_settings() {
	find "/sys/class/vmdemo/${1#/dev/}"/ -maxdepth 1 -type f -perm -u+w ! -name backing ! -name swap ! -name uevent \
		-printf '%f=\n' 2>/dev/null
}

_vmdemo_disks() {
	lsblk -pnro NAME 2>/dev/null
}

_vmdemo_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
	compopt -o filenames
}

# _vmdemo_words WORD...: those that begin like the present word.
_vmdemo_words() {
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "${COMP_WORDS[COMP_CWORD]}")
}

_vmdemo() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} options=''
	if [ "$COMP_CWORD" -eq 1 ]; then
		_vmdemo_words list info set bind unbind stat latency map top trace record report heat help --help --version
		return
	fi
	case $command in
	list) options='--json' ;;
	info) options='--json' ;;
	bind) options='--swap --force' ;;
	unbind) options='--swap --abandon' ;;
	stat) options='--json --prometheus' ;;
	latency) options='--histogram --json' ;;
	map) options='--frames --slots --pages --json' ;;
	top) options='--interval' ;;
	trace) options='--pid --stream --any --count --json' ;;
	record) options='--duration --buffer' ;;
	report) options='--output' ;;
	esac
	if [[ $word == -* ]]; then
		_vmdemo_words "$options" --help
		return
	fi
	case $command:$previous in
	bind:--swap | bind:-s) _vmdemo_words "$(_vmdemo_disks)" ;;
	trace:--pid | trace:-p) _vmdemo_words "$(cd /proc && echo [1-9]*)" ;;
	map:--pages | map:-p | top:--interval | top:-i | trace:--count | trace:-n) ;;
	bind:vmdemo* | bind:/dev/vmdemo*) _vmdemo_words "$(_vmdemo_disks)" ;;
	set:*)
		if [ "$COMP_CWORD" -eq 2 ]; then
			_vmdemo_words "$(_vmdemo_devices)"
		else
			_vmdemo_words "$(_vmdemo_settings "${COMP_WORDS[2]}")"
			compopt -o nospace
		fi
		;;
	list:* | record:--duration | record:-d | record:--buffer | record:-b) ;;
	report:* | heat:*) _vmdemo_files ;;
	record:*)
		_vmdemo_files
		[ "$COMP_CWORD" -gt 2 ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(_vmdemo_devices)" -- "$word")
		;;
	*) _vmdemo_words "$(_vmdemo_devices)" ;;
	esac
}

complete -F _vmdemo vmdemo
