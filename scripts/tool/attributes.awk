# SPDX-License-Identifier: GPL-2.0
# attributes.awk - make a table of the attributes that uapi/ABI.txt describes: KIND(name, "text") of each
#
# The heading that they are under says of which kind they are. The text is the description, in one line.

function flush() {
	if (name != "" && kind != "") {
		gsub(/[\\"]/, "\\\\&", text)
		printf "%s(%s, \"%s\")\n", kind, name, text
	}
	name = ""
}

/^# / {
	flush()
	kind = ""
	if ($2 == "Settings") kind = "SETTING"
	if ($2 == "Facts") kind = "FACT"
	if ($2 == "Counters") kind = "COUNTER"
	if ($2 == "Gauges") kind = "GAUGE"
}

/^What:/ {
	flush()
	name = $2
	sub(/.*\//, "", name)
	text = ""
}

/^\t\t/ {
	sub(/^\t\t/, "")
	text = text (text == "" ? "" : " ") $0
}

END { flush() }
