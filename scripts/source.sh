# SPDX-License-Identifier: GPL-2.0
# Sourced: get_source leaves a git repository with the pristine kernel source in $linux.
# Its tag "base" names that commit.
#
# The source is the distribution's linux-source package, by an apt configuration of its
# own (signatures checked, the host's apt untouched), or KSRC, which is only read.

want=${LINUX_SOURCE:-linux-source-7.3}
oldest=7.2
suites=(experimental unstable testing stable-backports stable-security stable)

get_source() {
	mkdir -p "$cache"
	if [ -n "${KSRC:-}" ]; then
		source_from_ksrc
	else
		source_from_distribution
	fi
	series_ready=$linux/.git/shmbuf-series
}

# Refuse a kernel that the series cannot be for. Its Makefile is on standard input.
check_version() {	# NAME
	local version
	version=$(awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { print v "." $3; exit }')
	[ -n "$version" ] || die "$1 is not a kernel source tree; point KSRC to one"
	dpkg --compare-versions "$version" ge $oldest ||
		die "$1 is Linux $version; the series needs $oldest or newer"
}

check_space() {
	local have
	have=$(free_mib "$cache")
	[ "$have" -ge "${SHMBUF_MIN_MIB:-6144}" ] ||
		die "source and builds need 6 GiB, $cache has $have MiB free; set SHMBUF_CACHE to a folder elsewhere"
}

# import TITLE COMMAND...: the command sets the tag "base" in the repository that it runs
# in. A new tree is trusted only under its final name, which it gets by one rename. An
# existing tree is kept, so its builds stay warm.
import() {
	[ -d "$linux" ] || check_space
	trap 'rm -rf "$linux".part "$linux".src' EXIT
	rm -rf "$linux".part "$linux".src
	stage source "$1" fill_tree "${@:2}" || exit 1
	rm -rf "$linux".src
	trap - EXIT
}

fill_tree() {		# COMMAND...
	if [ -d "$linux" ]; then
		cd "$linux"
		"$@"
		return
	fi
	git init -q "$linux".part
	cd "$linux".part
	git config core.compression 1
	git config core.autocrlf false
	git config core.excludesFile /dev/null
	git config gc.auto 0
	git config commit.gpgSign false
	git config advice.detachedHead false
	git config user.name 'shmbuf developers'
	git config user.email shmbuf@example.org
	"$@"
	git checkout -q --detach base
	mv -T "$linux".part "$linux"
}

# A depth-1 fetch copies the one commit: the result does not depend on KSRC.
import_git() {		# PATH
	git fetch -q --depth=1 "file://$1" HEAD
	git tag -f base FETCH_HEAD
}

# The same files give the same commit.
import_folder() (	# FOLDER MESSAGE
	export GIT_DIR=$PWD/.git GIT_WORK_TREE=$1 GIT_INDEX_FILE=$PWD/.git/import-index
	export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
	cd "$1"
	# Debian's .gitignore ignores every file, and lacks the exceptions for dot files.
	if grep -qx '/\*' .gitignore 2>/dev/null; then
		git add -A -f
		blob=$({ grep -vx '/\*' .gitignore; printf '!%s\n' .gitignore .kunitconfig; } |
			git hash-object -w --stdin)
		git update-index --cacheinfo "100644,$blob,.gitignore"
	else
		git add -A
	fi
	git tag -f base "$(git commit-tree -m "$2" "$(git write-tree)")"
)

source_from_ksrc() {
	local ksrc
	ksrc=$(realpath -e "$KSRC" 2>/dev/null) || die "KSRC=$KSRC does not exist"
	linux=$cache/ksrc-$(printf %s "$ksrc" | sha1sum | cut -c1-12)
	if [ -e "$ksrc/.git" ]; then
		check_version "KSRC=$KSRC" < <(git -C "$ksrc" show HEAD:Makefile)
		[ "$(git -C "$linux" rev-parse base 2>/dev/null)" != "$(git -C "$ksrc" rev-parse HEAD)" ] || return 0
		import "import HEAD of $ksrc" import_git "$ksrc"
	else
		check_version "KSRC=$KSRC" < <(cat "$ksrc/Makefile")
		import "import $ksrc" import_folder "$ksrc" "source tree"
	fi
}

# --- the distribution's package -----------------------------------------------

source_from_distribution() {
	! cached_source || return 0
	check_space
	stage find "look for $want in the distribution" find_package ||
		die "no usable linux-source package; check the network, or use KSRC=/path/to/linux ($oldest or newer)"
	read -r package version <"$cache/apt/found"
	# Debian's version is "7.3.4-1~bpo13+1" or "7.3~rc7-1~exp1".
	linux=$cache/linux-$(tr '~' - <<<"${version%-*}")
	import "fetch and unpack $package $version" fetch_package
}

# Sort "linux-7.3-rc7" before "linux-7.3".
newest() { sed 's/-rc/~rc/' | sort -V | tail -n 1 | sed 's/~rc/-rc/'; }

# The newest $want in the cache. Without LINUX_SOURCE, another version there is better
# than a download.
cached_source() {
	local pattern
	for pattern in "${want##*-}" ${LINUX_SOURCE:-[0-9]}; do
		linux=$(find "$cache" -maxdepth 1 -name "linux-$pattern*" ! -name '*.part' ! -name '*.src' | newest)
		[ -z "$linux" ] || return 0
	done
	return 1
}

# Repositories that the machine's own apt uses, each once.
repositories() {
	apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | awk '!seen[$0]++'
}

# Lists and archives of all suites. The host's keyrings and proxy settings still apply,
# its hooks and pins do not. A repository need not have each suite.
update_lists() {
	local keyring=/usr/share/keyrings/debian-archive-keyring repo suite
	[ -f $keyring.pgp ] && keyring=$keyring.pgp || keyring=$keyring.gpg
	mkdir -p "$cache"/apt/{lists,archives}/partial
	for repo in $(repositories); do
		for suite in "${suites[@]}"; do
			printf "deb%s [signed-by=$keyring] $repo $suite main\n" '' -src
		done
	done >"$cache/apt/sources.list"
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
	export APT_CONFIG=$cache/apt/apt.conf
	apt-get update || say "some suites are missing"
}

# Leaves package and version of the newest $want in apt/found. Without LINUX_SOURCE, if no
# suite has it, the newest of all. A stable suite may have the release before experimental.
find_package() {
	update_lists
	apt-cache pkgnames linux-source- | grep -E '[0-9]+\.[0-9]+$' | xargs apt-cache madison |
		awk '!/Sources$/ { print $1, $3 }' | sort -k 2V >"$cache/apt/all"
	grep "^$want " "$cache/apt/all" >"$cache/apt/wanted" || [ -z "${LINUX_SOURCE:-}" ]
	[ -s "$cache/apt/wanted" ] || cp "$cache/apt/all" "$cache/apt/wanted"
	tail -n 1 "$cache/apt/wanted" | tee "$cache/apt/found"
	dpkg --compare-versions "$(cut -d ' ' -f 2 "$cache/apt/found")" ge $oldest
}

fetch_package() {
	local tree=$PWD
	export APT_CONFIG=$cache/apt/apt.conf
	mkdir "$linux".src
	cd "$linux".src
	apt-get download "$package=$version"
	dpkg-deb --fsys-tarfile ./*.deb | tar -xO "./usr/src/$package.tar.xz" | tar -xJ --strip-components=1
	rm ./*.deb
	cd "$tree"
	import_folder "$linux".src "$package $version"
}
