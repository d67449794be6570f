//go:build linux

package lab

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"granary/integration/standin/dictionary"
)

// uuidOf derives a UUID from a name.
func uuidOf(name string) string {
	h := sha256.Sum256([]byte(name))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80 // random, as RFC 9562 marks it
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// vmwareUUID writes it as VMware does: "56 4d .. ..-.. ..".
func vmwareUUID(name string) string {
	h := sha256.Sum256([]byte(name))
	h[0], h[1] = 0x56, 0x4d
	return fmt.Sprintf("% x-% x", h[:8], h[8:16])
}

// writeConfiguration writes every file of the machine but its disks, whose
// names in the .vmx are given.
func (vm *VM) writeConfiguration(spec Spec, disks []string) error {
	nvram := make([]byte, 8<<10)
	copy(nvram, "MRVN")
	random := seeded("nvram of " + vm.Name)
	for i := 64; i < 1024; i++ {
		nvram[i] = byte(random.Uint32())
	}
	files := map[string][]byte{
		".vmx":   vm.vmx(spec, disks),
		".vmxf":  []byte(vm.vmxf()),
		".nvram": nvram,
		".vmsd":  []byte(".encoding = \"UTF-8\"\n"),
	}
	for extension, data := range files {
		if err := os.WriteFile(filepath.Join(vm.Dir, fileStem(vm.Name)+extension), data, 0o644); err != nil {
			return err
		}
	}
	log := "2026-01-02T03:04:05.000Z| vmx| I125: Log for VMware Workstation pid=4711 version=15.5.1\n"
	return os.WriteFile(filepath.Join(vm.Dir, "vmware.log"), []byte(log), 0o644)
}

func (vm *VM) vmx(spec Spec, disks []string) []byte {
	var d dictionary.Dictionary
	pairs := []string{
		".encoding", charsetOf(vm.Name),
		"config.version", "8",
		"virtualHW.version", "16",
		"displayName", vm.Name,
		"guestOS", "debian10-64",
		"memsize", strconv.Itoa(spec.MemSize),
		"numvcpus", "1",
		"nvram", fileStem(vm.Name) + ".nvram",
		"extendedConfigFile", fileStem(vm.Name) + ".vmxf",
		"uuid.bios", vmwareUUID(vm.Name),
		"uuid.location", vmwareUUID(vm.Name + " location"),
		"msg.autoAnswer", "TRUE",
		"checkpoint.vmState", "",
		"floppy0.present", "TRUE",
		"floppy0.fileName", "auto detect",
		"floppy0.startConnected", "FALSE",
		"ide1:0.present", "TRUE",
		"ide1:0.deviceType", "cdrom-raw",
		"ide1:0.fileName", "auto detect",
		"ethernet0.present", "TRUE",
		"ethernet0.connectionType", "nat",
		"scsi0.present", "TRUE",
		"scsi0.virtualDev", "lsilogic",
	}
	if spec.Encrypted {
		pairs = append(pairs, encryptionPairs(vm.Name)...)
	}
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	for number, name := range disks {
		node := fmt.Sprintf("scsi0:%d", number)
		d.Set(node+".present", "TRUE")
		d.Set(node+".fileName", name)
		d.Set(node+".deviceType", "scsi-hardDisk")
		if spec.Independent && number == len(disks)-1 {
			d.Set(node+".mode", "independent-persistent")
		}
		d.Set(node+".redo", "")
	}
	return append([]byte("#!/usr/bin/vmware\n"), d.Bytes()...)
}

// charsetOf is what a .vmx with that name says of its bytes.
func charsetOf(name string) string {
	if utf8.ValidString(name) {
		return "UTF-8"
	}
	return "windows-1252"
}

// encryptionPairs looks like the keys of a partially encrypted machine. There is
// nothing behind it.
func encryptionPairs(name string) []string {
	sealed := func(of string, size int) string {
		data := make([]byte, size)
		random := seeded(of + " of " + name)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		return base64.StdEncoding.EncodeToString(data)
	}
	safe := "vmware:key/list/(pair/(phrase/" + url.QueryEscape(sealed("phrase", 8)) +
		"/pass2key=PBKDF2-HMAC-SHA-1:cipher=AES-256:rounds=10000:salt=" + url.QueryEscape(sealed("salt", 16)) +
		",HMAC-SHA-1," + url.QueryEscape(sealed("key", 112)) + "))"
	return []string{"vmx.encryptionType", "partial", "encryption.keySafe", safe, "encryption.data", sealed("data", 512)}
}

func (vm *VM) vmxf() string {
	var name strings.Builder
	_ = xml.EscapeText(&name, []byte(filepath.Base(vm.VMX))) // a builder takes everything
	return strings.Join([]string{
		`<?xml version="1.0"?>`,
		`<Foundry>`,
		`<VM>`,
		`<VMId type="string">` + vmwareUUID(vm.Name+" foundry") + `</VMId>`,
		`<ClientMetaData>`,
		`<clientMetaDataAttributes/>`,
		`<HistoryEventList/></ClientMetaData>`,
		`<vmxPathName type="string">` + name.String() + `</vmxPathName></VM></Foundry>`,
		``,
	}, "\n")
}
