package vmx

import (
	"slices"
	"testing"
)

func TestDisks(t *testing.T) {
	disk := func(node, name string) Disk { return Disk{Node: node, FileName: name, RawFileName: name} }
	redo := disk("nvme0:0", "web-000001.vmdk")
	redo.Redo = "./web.vmdk.REDO_a1b2c3"
	typed := disk("scsi0:0", "web.vmdk")
	typed.DeviceType = "scsi-hardDisk"
	independent := disk("scsi0:2", "/srv/disks/two.vmdk")
	independent.Mode = "independent-persistent"

	want := []Disk{redo, typed, independent, disk("scsi0:10", "ten.vmdk")}
	if got := parseSample(t, "workstation.vmx").Disks(); !slices.Equal(got, want) {
		t.Errorf("workstation.vmx:\n got %+v\nwant %+v", got, want)
	}

	want = []Disk{{
		Node:        "ide0:0",
		FileName:    `C:\vms\Büro\Büro.vmdk`,
		RawFileName: "C:\\vms\\B\xfcro\\B\xfcro.vmdk",
		Mode:        "independent-nonpersistent",
	}}
	if got := parseSample(t, "windows.vmx").Disks(); !slices.Equal(got, want) {
		t.Errorf("windows.vmx:\n got %+v\nwant %+v", got, want)
	}
}

func TestDiskSelection(t *testing.T) {
	const ide = "ide0:0.present = TRUE\n"
	tests := []struct {
		name, text string
		want       []string // nodes
	}{
		{"plain", ide + `ide0:0.fileName = "a.vmdk"`, []string{"ide0:0"}},
		{"not present", `ide0:0.fileName = "a.vmdk"`, nil},
		{"present without a name", ide, nil},
		{"case of keys", "SCSI0:0.PRESENT = True\nScsi0:0.FILENAME = a.vmdk", []string{"scsi0:0"}},
		{"empty name", ide + `ide0:0.fileName = ""`, nil},
		{"blank name", ide + `ide0:0.fileName = "  "`, nil},
		{"auto detect", ide + `ide0:0.fileName = "Auto Detect"`, nil},
		{"empty backing", ide + `ide0:0.fileName = "emptyBackingString"`, nil},
		{"atapi CD-ROM", ide + "ide0:0.fileName = /dev/sr0\nide0:0.deviceType = \"atapi-cdrom\"", nil},
		{"CD-ROM in capitals", ide + "ide0:0.fileName = a.vmdk\nide0:0.deviceType = \"CDROM-image\"", nil},
		{"image without a type", ide + `ide0:0.fileName = "Setup.ISO"`, nil},
		{"image-like name of a disk", ide + "ide0:0.fileName = a.iso\nide0:0.deviceType = disk", []string{"ide0:0"}},
		{"ESX's CD-ROM", "scsi0:0.present = TRUE\nscsi0:0.fileName = /vmfs/devices/cdrom/mpx\nscsi0:0.deviceType = scsi-passthru", nil},
		{"other buses", "usb0:0.present = TRUE\nusb0:0.fileName = a.vmdk\nxscsi0:0.present = TRUE\nxscsi0:0.fileName = b.vmdk\nide0:0.xfileName = c", nil},
		{"no Unicode case folding", "\u017Fcsi0:0.present = TRUE\n\u017Fcsi0:0.fileName = a.vmdk", nil},
		{
			"numeric order",
			"sata0:0.present=1\nsata0:0.fileName=a\nscsi10:0.present=1\nscsi10:0.fileName=b\nscsi2:15.present=1\nscsi2:15.fileName=c\n" +
				"scsi2:3.present=1\nscsi2:3.fileName=d\nide1:1.present=1\nide1:1.fileName=e",
			[]string{"ide1:1", "sata0:0", "scsi2:3", "scsi2:15", "scsi10:0"},
		},
		{
			"controller",
			"scsi0.present=FALSE\nscsi0:0.present=1\nscsi0:0.fileName=a\nscsi1.present=TRUE\nscsi1:0.present=1\nscsi1:0.fileName=b\n" +
				"scsi2:0.present=1\nscsi2:0.fileName=c",
			[]string{"scsi1:0", "scsi2:0"},
		},
		{"a number no controller has", "scsi9999999999:0.present=1\nscsi9999999999:0.fileName=a", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range mustParse(t, tt.text+"\n").Disks() {
				got = append(got, d.Node)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Disks = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRawNamesOfUnknownCharset(t *testing.T) {
	f := mustParse(t, ".encoding = \"Shift_JIS\"\nide0:0.present = TRUE\nide0:0.fileName = \"\x83\x65.vmdk\"\n")
	d := f.Disks()
	if len(d) != 1 || d[0].FileName != "\x83\x65.vmdk" || d[0].RawFileName != d[0].FileName {
		t.Errorf("Disks = %+q", d)
	}
}

func TestDiskProperties(t *testing.T) {
	modes := []struct {
		mode                       string
		independent, nonpersistent bool
	}{
		{"", false, false},
		{"persistent", false, false},
		{"independent-persistent", true, false},
		{"Independent-NonPersistent", true, true},
		{"nonpersistent", false, true},
		{"undoable", false, false},
	}
	for _, m := range modes {
		d := Disk{Mode: m.mode}
		if d.Independent() != m.independent || d.Nonpersistent() != m.nonpersistent {
			t.Errorf("mode %q: independent %v, nonpersistent %v", m.mode, d.Independent(), d.Nonpersistent())
		}
	}

	raw := []struct {
		deviceType, name string
		want             bool
	}{
		{"", "a.vmdk", false},
		{"scsi-hardDisk", "a.vmdk", false},
		{"disk", "dev/sda.vmdk", false},
		{"rawDisk", "a.vmdk", true},
		{"scsi-passthru", "a.vmdk", true},
		{"scsi-passThru-rdm", "a.vmdk", true},
		{"scsi-nonpassThru-rdm", "a.vmdk", true},
		{"PhysicalDrive0", "a.vmdk", true},
		{"", "/dev/sdb", true},
		{"", `\\.\PhysicalDrive1`, true},
		{"", "/vmfs/devices/disks/naa.1", true},
	}
	for _, r := range raw {
		if got := (Disk{DeviceType: r.deviceType, FileName: r.name}).Raw(); got != r.want {
			t.Errorf("type %q, name %q: Raw = %v", r.deviceType, r.name, got)
		}
	}
}
