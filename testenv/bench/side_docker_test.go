package bench

import (
	"context"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// dockerSide is the Docker Engine's API by itself. Its containers have no init
// process, which would cost it more.
type dockerSide struct {
	*engine
	image string
	ids   [inTurn]string
}

func newDocker(b *testing.B, image string) *dockerSide {
	b.Helper()
	s := &dockerSide{engine: dial(b), image: image}
	stream, err := s.api.ImagePull(life, image, client.ImagePullOptions{})
	if err == nil {
		err = stream.Wait(life)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.remove(s.ids[:]...) })
	return s
}

func (s *dockerSide) start(ctx context.Context, i int) error {
	pids := int64(pidsLimit)
	created, err := s.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: s.image},
		HostConfig: &container.HostConfig{
			NetworkMode: "host",
			Resources:   container.Resources{Memory: memoryLimit, MemorySwap: memoryLimit, NanoCPUs: 1e9, PidsLimit: &pids},
		},
	})
	if err != nil {
		return err
	}
	s.ids[i] = created.ID
	_, err = s.api.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return err
}

func (s *dockerSide) end(ctx context.Context, i int) error {
	_, err := s.api.ContainerRemove(ctx, s.ids[i], client.ContainerRemoveOptions{Force: true})
	if err == nil {
		s.ids[i] = ""
	}
	return err
}
