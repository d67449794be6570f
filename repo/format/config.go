package format

import (
	"fmt"
	"math/bits"
)

// Sizes of grains, in bytes.
const (
	MinGrain     = 16 << 10
	DefaultGrain = 64 << 10
	MaxGrain     = 1 << 20
)

// ConfigName is the object that makes a folder a repository.
const ConfigName = "config"

// Config holds a repository's constants.
type Config struct {
	Repo    RepoID
	Grain   int   // bytes
	Created int64 // ns since 1970, information only
}

// CheckGrain refuses sizes that a repository cannot have.
func CheckGrain(size int) error {
	if size < MinGrain || size > MaxGrain || bits.OnesCount(uint(size)) != 1 {
		return fmt.Errorf("grain size %d: want a power of two from %d to %d", size, MinGrain, MaxGrain)
	}
	return nil
}

// Marshal encodes c as the object ConfigName.
func (c Config) Marshal() ([]byte, error) {
	if err := CheckGrain(c.Grain); err != nil {
		return nil, err
	}
	b := le.AppendUint32(nil, uint32(c.Grain))
	b = le.AppendUint16(b, 0) // suite
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, 0) // features
	b = le.AppendUint64(b, uint64(c.Created))
	return sealRecord(KindConfig, ConfigName, c.Repo, b)
}

// ParseConfig decodes the object ConfigName.
func ParseConfig(b []byte) (Config, error) {
	kind, repo, payload, err := openRecord(ConfigName, b)
	if err != nil {
		return Config{}, err
	}
	if kind != KindConfig {
		return Config{}, fmt.Errorf("%s: %w: record of kind %d", ConfigName, ErrCorrupt, kind)
	}
	c := cursor{b: payload}
	config := Config{Repo: repo, Grain: int(c.u32())}
	suite := c.u16()
	c.zero(2)
	features := c.u64()
	config.Created = c.i64()
	if c.err == nil && (suite != 0 || features != 0) {
		return Config{}, fmt.Errorf("%s: %w (suite %d, features %#x)", ConfigName, ErrNewer, suite, features)
	}
	if err := c.end(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", ConfigName, err)
	}
	if err := CheckGrain(config.Grain); err != nil {
		return Config{}, fmt.Errorf("%s: %w: %w", ConfigName, ErrCorrupt, err)
	}
	return config, nil
}
