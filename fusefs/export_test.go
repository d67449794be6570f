//go:build linux

package fusefs

import "context"

// MountByFusermount mounts as users other than root have to.
func MountByFusermount(ctx context.Context, source Source, dir string, options *Options) (*Server, error) {
	return mount(ctx, source, dir, options.withDefaults(), false)
}
