# readme_block MARKER: the text of the block in README.md that follows <!-- MARKER -->.
readme_block()
{
    local text
    text=$(awk -v marker="<!-- $1 -->" '
        $0 == marker { found = 1; next }
        inside && /^```$/ { exit }
        found && !inside && /^```[a-z]*$/ { inside = 1; next }
        inside { print }
        found && !inside && NF { exit }' "$CI_SRC/README.md")
    [ -n "$text" ] || die "README.md has no block directly after <!-- $1 -->"
    printf '%s\n' "$text"
}
