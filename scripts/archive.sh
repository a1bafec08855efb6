# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# archive.sh - Debian's archive, asked by an apt that knows nothing of this machine: other suites, other processors.
#
# Sourced, after lib.sh.  Nothing is installed: packages are fetched into the cache and unpacked there.  apt checks the
# archive's signature against its keyring.

# archive_open NAME MACHINE LINE...: the archive as apt on an amd64 or arm64 machine sees it by these lines of sources.list,
# in which MIRROR stands for this machine's.  Its lists are kept in the cache under NAME.  Sets archive_state and archive_log.
archive_open() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror line
	# shellcheck disable=SC2154 # lib.sh sets it
	archive_state=$cache/archive/$1 archive_log=$cache/archive/$1/log
	[ -r "$keyring" ] || usage_error "$keyring is missing: it belongs to the package debian-archive-keyring."
	mkdir -p "$archive_state"/{lists/partial,archives/partial} || die 1 "cannot write to $cache."
	# shellcheck disable=SC2016 # that is for apt
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -m 1 -v security)
	cat >"$archive_state/config" <<-END
		Dir::Etc::sourcelist "$archive_state/sources";
		Dir::Etc::sourceparts "-";
		Dir::State "$archive_state";
		Dir::State::status "$archive_state/status";
		Dir::Cache "$archive_state";
		APT::Architecture "$2";
		APT::Architectures { "$2"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
	END
	shift 2
	for line; do
		line=${line/ / [signed-by=$keyring] }
		echo "${line/MIRROR/${mirror:-http://deb.debian.org/debian}}"
	done >"$archive_state/sources"
	: >"$archive_state/status" # nothing is installed there
	: >"$archive_log"
}

# of_archive COMMAND...: apt, with that state.
of_archive() {
	APT_CONFIG=$archive_state/config "$@" 2>>"$archive_log"
}

# archive_update: fetch its lists.
archive_update() {
	of_archive apt-get update -q --allow-releaseinfo-change >>"$archive_log"
}

# archive_unpack DIRECTORY PACKAGE...: fetch these packages, and those that they depend on, and unpack them there.
archive_unpack() {
	local dir=$1 link package
	shift
	rm -f "$archive_state"/archives/*.deb
	of_archive apt-get install -y -q --download-only "$@" >>"$archive_log" || return
	rm -rf "$dir"
	mkdir -p "$dir"/usr/{bin,sbin,lib,lib64} "$dir"/{dev,proc,tmp}
	for link in bin sbin lib lib64; do
		ln -s "usr/$link" "$dir/$link" || return
	done
	# Some packages bring these links, and some, the older ones, put files there as if they were directories.
	for package in "$archive_state"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x -p --keep-directory-symlink -C "$dir"
		[ "${PIPESTATUS[*]}" = "0 0" ] || return
	done
	ln -s mawk "$dir/usr/bin/awk" # an alternative, which only an installation would choose
	rm -f "$archive_state"/archives/*.deb
}
