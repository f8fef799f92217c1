# SPDX-License-Identifier: GPL-2.0
# Sourced: get_source leaves a git repository with one commit, the pristine
# kernel source, checked out in $linux; its tag "base" names that commit.
#
# Either the distribution's linux-source package (private apt state, signatures
# checked, the host's apt untouched) or KSRC, which is only read.

want=${LINUX_SOURCE:-linux-source-7.3}
oldest=7.2
suites=(experimental unstable testing stable-backports stable-security stable)

version_ge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# Version "X.Y" of the kernel tree whose Makefile is on standard input.
makefile_version() {
	awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { print v "." $3; exit }'
}

check_version() {	# what version
	[ -n "$2" ] || die "$1 is not a kernel source tree (no version in its Makefile); point KSRC to one"
	version_ge "$2" $oldest || die "$1 is Linux $2; the series needs $oldest or newer (->mmap_prepare with vm_ops->mapped)"
}

check_space() {
	local have
	have=$(free_mib "$cache")
	[ "$have" -ge "${SHMBUF_MIN_MIB:-6144}" ] || die "source and builds need 6 GiB, $cache has $have MiB free; free some space, or set SHMBUF_CACHE to a folder elsewhere"
}

get_source() {
	mkdir -p "$cache"
	if [ -n "${KSRC:-}" ]; then
		source_from_ksrc
	else
		source_from_distribution
	fi
	series_ready=$linux/.git/shmbuf-series
}

init_repo() {
	git init -q "$1"
	git -C "$1" config core.compression 1
	git -C "$1" config gc.auto 0
	git -C "$1" config advice.detachedHead false
	git -C "$1" config core.autocrlf false
	git -C "$1" config core.excludesFile /dev/null
	git -C "$1" config commit.gpgSign false
	git -C "$1" config user.name 'shmbuf developers'
	git -C "$1" config user.email shmbuf@example.org
}

# import_folder FOLDER MESSAGE: the files as one commit, "base".
# A tree is trusted only under its final name, and gets that by one rename.
import_folder() {
	local repo=$linux folder=$1 tree
	if [ ! -d "$linux" ]; then
		repo=$linux.part
		init_repo "$repo"
	fi
	(
		stable_ident
		export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
		export GIT_DIR=$repo/.git GIT_WORK_TREE=$folder GIT_INDEX_FILE=$repo/.git/import-index
		cd "$folder"
		# Debian's .gitignore ignores every file, and has lost the exceptions
		# for dot files; with it "git add" would skip new files in silence.
		if grep -qx '/\*' .gitignore 2>/dev/null; then
			git add -A -f
			tree=$({ grep -vx '/\*' .gitignore; printf '!%s\n' .gitignore .kunitconfig; } |
				git hash-object -w --stdin)
			git update-index --cacheinfo "100644,$tree,.gitignore"
		else
			git add -A
		fi
		tree=$(git write-tree)
		git tag -f base "$(git commit-tree -m "$2" "$tree")"
	)
	finish_repo "$repo"
}

# A depth-1 fetch copies the one commit: the result does not lean on KSRC.
import_git() {		# path commit
	local repo=$linux
	if [ ! -d "$linux" ]; then
		repo=$linux.part
		init_repo "$repo"
	fi
	git -C "$repo" fetch -q --depth=1 "file://$1" "$2"
	git -C "$repo" tag -f base "$2"
	finish_repo "$repo"
}

# An existing tree moves on with the next git am, so its builds stay warm.
finish_repo() {
	[ "$1" = "$linux" ] && return
	git -C "$1" checkout -q --detach base
	mv -T "$1" "$linux"
}

# --- KSRC -------------------------------------------------------------------

source_from_ksrc() {
	local ksrc head=''
	ksrc=$(realpath -e "$KSRC" 2>/dev/null) || die "KSRC=$KSRC does not exist"
	[ -d "$ksrc" ] || die "KSRC=$KSRC is not a folder; point it to a kernel source tree"
	linux=$cache/ksrc-$(printf %s "$ksrc" | sha1sum | cut -c1-12)
	if [ -e "$ksrc/.git" ]; then
		head=$(git -C "$ksrc" rev-parse -q --verify 'HEAD^{commit}') ||
			die "git cannot read HEAD of KSRC=$KSRC (see the message above)"
		check_version "KSRC=$KSRC" "$(git -C "$ksrc" show HEAD:Makefile 2>/dev/null | makefile_version)"
		git -C "$ksrc" --no-optional-locks diff-index --quiet HEAD 2>/dev/null ||
			say "note: KSRC=$KSRC may have uncommitted changes; its HEAD ${head:0:12} is used"
		[ -d "$linux" ] && [ "$(git -C "$linux" rev-parse -q --verify base)" = "$head" ] && return
	else
		check_version "KSRC=$KSRC" "$(makefile_version 2>/dev/null <"$ksrc/Makefile" || true)"
		[ ! -e "$ksrc/.config" ] && [ ! -e "$ksrc/include/config" ] ||
			die "KSRC=$KSRC has been built in; run 'make mrproper' there, or point KSRC to a clean copy"
	fi
	[ -d "$linux" ] || check_space
	if [ -n "$head" ]; then
		import "import HEAD of $ksrc" import_git "$ksrc" "$head"
	else
		import "import $ksrc" import_folder "$ksrc" "source tree"
	fi
}

# Nothing half-made stays for the next run to trust, whichever way this one ends.
import() {		# title command...
	trap 'rm -rf "$linux".part "$linux".src' EXIT
	rm -rf "$linux".part "$linux".src
	stage source "$@" || exit 1
	rm -rf "$linux".src
	trap - EXIT
}

# --- the distribution's package -----------------------------------------------

# newest_first FOLDER...: "linux-7.3.4", "linux-7.3", "linux-7.3-rc7".
newest_first() { printf '%s\n' "$@" | sed 's/-\(rc[0-9]*\)$/~\1/' | sort -rV | sed 's/~\(rc[0-9]*\)$/-\1/'; }

# The newest version of $want in the cache. Without LINUX_SOURCE, another version in
# the cache is better than a download.
cached_source() {
	local have
	for have in $(newest_first "$cache/linux-${want##*-}"{,[.-]*}) \
		    $([ -n "${LINUX_SOURCE:-}" ] || newest_first "$cache"/linux-[0-9]*); do
		case $have in *.part | *.src) continue ;; esac
		[ ! -d "$have/.git" ] || { linux=$have; return; }
	done
	return 1
}

source_from_distribution() {
	! cached_source || return 0
	. /etc/os-release 2>/dev/null || true
	[ "${ID:-}" = debian ] ||
		die "only Debian packages the source that is wanted here, this is ${PRETTY_NAME:-unknown}; use KSRC=/path/to/linux (a tree or git checkout, $oldest or newer)"
	need xz-utils
	check_space
	stage find "look for $want in the distribution" find_package ||
		die "no usable linux-source package; check the network, or use KSRC=/path/to/linux ($oldest or newer)"
	# shellcheck disable=SC1091
	. "$cache/apt/found"
	# Debian's version is "7.3.4-1~bpo13+1" or "7.3~rc7-1~exp1".
	linux=$cache/linux-$(tr '~' - <<<"${version%-*}")
	import "fetch and unpack $package $version" fetch_package
}

# apt with lists, archives and sources of its own; the host's keyrings and
# proxy settings still apply, its hooks and pins do not.
private_apt() {
	apt-get -c "$cache/apt/apt.conf" "$@"
}

write_apt_conf() {
	mkdir -p "$cache"/apt/{lists,archives}/partial
	cat >"$cache/apt/apt.conf" <<-END
		#clear APT::Update;
		#clear DPkg::Post-Invoke;
		Dir::Etc::SourceList "$cache/apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State::Lists "$cache/apt/lists";
		Dir::Cache "$cache/apt";
		APT::Sandbox::User "root";
		APT::Default-Release "";
		Acquire::Languages "none";
		Acquire::Retries "2";
	END
}

# Repositories that the machine's own apt uses, each once.
repositories() {
	apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | awk '!seen[$0]++'
}

use_suite() {		# repository suite
	local keyring=/usr/share/keyrings/debian-archive-keyring
	[ -f $keyring.pgp ] && keyring=$keyring.pgp || keyring=$keyring.gpg
	say "deb [signed-by=$keyring] $1 $2 main" >"$cache/apt/sources.list"
	private_apt update >&2
}

# "package version" of each kernel source that the suite in use has.
kernel_sources() {
	apt-cache -c "$cache/apt/apt.conf" search --names-only '^linux-source-[0-9]+\.[0-9]+$' | cut -d ' ' -f 1 |
		xargs -r apt-cache -c "$cache/apt/apt.conf" show --no-all-versions |
		awk '$1 == "Package:" { package = $2 } $1 == "Version:" { print package, $2 }'
}

# newest_source: reads lines "package version suite repository", and prints the line
# with the newest version of $want. If no line has $want and LINUX_SOURCE is not set,
# any package that is new enough will do. The suite does not matter: stable-backports
# can have a release while experimental still has the release candidate.
newest_source() {
	local best='' line all package version suite repo
	all=$(cat)
	line=$(grep "^$want " <<<"$all" || true)
	[ -n "$line" ] || [ -n "${LINUX_SOURCE:-}" ] || line=$all
	while read -r package version suite repo; do
		[ -n "$package" ] && version_ge "${package##*-}" $oldest || continue
		[ -z "$best" ] || dpkg --compare-versions "$version" gt "$(cut -d ' ' -f 2 <<<"$best")" || continue
		best="$package $version $suite $repo"
	done <<<"$line"
	[ -n "$best" ] || return
	say "$best"
}

# Leaves package and version in apt/found.
find_package() {
	local repo suite package version
	write_apt_conf
	rm -f "$cache/apt/found" "$cache/apt/sources"
	for suite in "${suites[@]}"; do
		for repo in $(repositories); do
			use_suite "$repo" "$suite" || continue
			kernel_sources | sed "s|\$| $suite $repo|" | tee -a "$cache/apt/sources"
		done
	done
	newest_source <"$cache/apt/sources" >"$cache/apt/newest" || { say "no suite has $want"; return 1; }
	read -r package version suite repo <"$cache/apt/newest"
	use_suite "$repo" "$suite"
	say "package=$package version=$version" >"$cache/apt/found"
}

fetch_package() {
	cd "$cache/apt/archives"
	rm -f ./*.deb
	private_apt download "$package"
	mkdir "$linux".src
	dpkg-deb --fsys-tarfile "$package"_*.deb |
		tar -xO "./usr/src/$package.tar.xz" | tar -xJ --strip-components=1 -C "$linux".src
	rm -f ./*.deb
	cd "$linux".src
	import_folder "$linux".src "$package $version"
}
