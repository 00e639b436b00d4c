# Sourced by the other scripts. `find_jdk` sets $jdk to the home of a JDK that is new enough, or to nothing.

oldest_jdk=25

# A JDK says what it is in a file: reading that costs nothing, starting each candidate costs a tenth of a second.
jdk_version() {
    sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null
}

new_enough() {
    [ -x "$1/bin/java" ] && version=$(jdk_version "$1") && [ -n "$version" ] && [ "$version" -ge "$oldest_jdk" ]
}

find_jdk() {
    jdk=
    on_path=$(command -v java || true)
    [ -z "$on_path" ] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
    for home in "${QUERN_JAVA_HOME:-}" "${JAVA_HOME:-}" "$on_path" \
        /usr/lib/jvm/* /Library/Java/JavaVirtualMachines/*/Contents/Home "${HOME:-}"/.sdkman/candidates/java/*; do
        if [ -n "$home" ] && new_enough "$home"; then
            jdk=$home
            return
        fi
    done
}

require_jdk() {
    find_jdk
    [ -n "$jdk" ] || {
        echo "$1: needs a JDK $oldest_jdk or newer and found none: install Temurin $oldest_jdk (https://adoptium.net) or set QUERN_JAVA_HOME to one" >&2
        exit 1
    }
}
