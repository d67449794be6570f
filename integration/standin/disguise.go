//go:build linux

package standin

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// locales are vmrun's words in other languages, by the language. The real ones
// are not known; these are of their kind.
var locales = map[string]*strings.Replacer{
	"de": strings.NewReplacer(
		"Total running VMs", "Aktive VMs insgesamt",
		"Total registered VMs", "Registrierte VMs insgesamt",
		"Total snapshots", "Snapshots insgesamt",
		"Unable to connect to host", "Verbindung zum Host nicht möglich",
		"Error: ", "Fehler: ",
		"The virtual machine is not powered on", "Die virtuelle Maschine ist nicht eingeschaltet",
		"The virtual machine should not be powered on. It is already running.", "Die virtuelle Maschine darf nicht eingeschaltet sein. Sie läuft bereits.",
		"Cannot open VM", "VM kann nicht geöffnet werden",
		"The virtual machine cannot be found", "Die virtuelle Maschine wurde nicht gefunden",
		"A password is required for this operation", "Für diesen Vorgang ist ein Kennwort erforderlich",
		"Incorrect password", "Falsches Kennwort",
		"Invalid user name or password", "Ungültiger Benutzername oder ungültiges Kennwort",
		"The file is already in use", "Die Datei wird bereits verwendet",
		"The snapshot does not exist", "Der Snapshot ist nicht vorhanden",
		"The name does not uniquely identify one snapshot", "Der Name bezeichnet nicht eindeutig einen Snapshot",
		"The operation was canceled", "Der Vorgang wurde abgebrochen",
		"The operation is not supported for the specified parameters", "Der Vorgang wird für die angegebenen Parameter nicht unterstützt",
		"Guest program exited with non-zero exit code", "Das Gastprogramm wurde mit einem Exitcode ungleich null beendet",
	),
}

// disguise returns the output as the fault wants it to look.
func (f Fault) disguise(output string) string {
	if locale, ok := locales[f.Locale]; ok {
		output = locale.Replace(output)
	}
	if f.Noise != "" {
		output = f.Noise + "\n" + output
	}
	if f.NoiseAfter != "" {
		output += f.NoiseAfter + "\n"
	}
	if f.CRLF {
		output = strings.ReplaceAll(output, "\n", "\r\n")
	}
	switch {
	case f.Latin1:
		return latin1(output)
	case f.UTF16:
		return utf16LE("\ufeff" + output)
	}
	return output
}

func latin1(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

func utf16LE(text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}
