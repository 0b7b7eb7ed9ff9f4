// Command kube places tasks with the scheduler of Kubernetes, on nodes and of sizes
// as command peers has them, and prints how many it places a second of processor
// time: its whole loop, from the first pod of its queue to the last binding, against
// an API server that is a map in this process and takes each binding as it comes. It
// is a module of its own, whose go.work says where Kubernetes' own libraries are.
package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	core "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// contest is one work at one size: groups of equal tasks.
type contest struct {
	work         string
	nodes, tasks int
	group        int
}

var contests = []contest{{"plain", 1_000, 10_000, 100}, {"plain", 5_000, 5_000, 100}, {"spread", 1_000, 1_000, 100}, {"spread", 5_000, 1_000, 100}}

func main() {
	klog.SetLogger(logr.Discard())
	fmt.Println("work    nodes   tasks  groups of  kube-scheduler/cpu-s  a second")
	for _, c := range contests {
		spent, took := c.measure()
		fmt.Printf("%-6s %6d  %6d  %9d  %20.0f  %8.0f\n", c.work, c.nodes, c.tasks, c.group, float64(c.tasks)/spent.Seconds(), float64(c.tasks)/took.Seconds())
	}
}

// measure is how much processor time, and time, it takes to bind all tasks.
func (c contest) measure() (spent, took time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	client := fake.NewClientset(c.objects()...)
	bound := make(chan struct{}, c.tasks)
	client.PrependReactor("create", "pods", func(a core.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "binding" {
			return false, nil, nil
		}
		bound <- struct{}{}
		return true, nil, nil
	})
	informers := scheduler.NewInformerFactory(client, 0, nil)
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	defer broadcaster.Shutdown()
	s, err := scheduler.New(ctx, client, informers, nil, profile.NewRecorderFactory(broadcaster))
	must(err)
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	must(s.WaitForHandlersSync(ctx))
	began, beganAt := processorTime(), time.Now()
	go s.Run(ctx)
	for range c.tasks {
		select {
		case <-bound:
		case <-time.After(time.Minute):
			must(fmt.Errorf("%s on %d nodes: a task found no place for a minute", c.work, c.nodes))
		}
	}
	return processorTime() - began, time.Since(beganAt)
}

func (c contest) objects() (all []runtime.Object) {
	for i := range c.nodes {
		all = append(all, c.node(i))
	}
	for i := range c.tasks {
		all = append(all, c.pod(i))
	}
	return all
}

// node is one of two sizes in three zones; together they take four times the tasks.
func (c contest) node(i int) *v1.Node {
	size := 2 * int64(max(1, c.tasks/c.nodes))
	if i%4 == 0 {
		size *= 2
	}
	room := amounts(max(400*size, 500), max(768*size, 1024))
	room[v1.ResourcePods] = *resource.NewQuantity(1000, resource.DecimalSI)
	name := fmt.Sprintf("node-%05d", i)
	return &v1.Node{
		ObjectMeta: meta.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{
			v1.LabelTopologyZone: string(rune('a' + i%3)), v1.LabelHostname: name, "disk": []string{"ssd", "hdd"}[i/3%2]}},
		Status: v1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

func (c contest) pod(i int) *v1.Pod {
	g := i / c.group
	name := fmt.Sprintf("work-%05d-%d", g, i%c.group)
	labels := map[string]string{"work": fmt.Sprintf("work-%05d", g)}
	size := [4][2]int64{{100, 256}, {250, 512}, {500, 128}, {100, 1024}}[g%4]
	pod := &v1.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Labels: labels},
		Spec: v1.PodSpec{SchedulerName: v1.DefaultSchedulerName,
			Containers: []v1.Container{{Name: "main", Image: "x", Resources: v1.ResourceRequirements{Requests: amounts(size[0], size[1])}}}},
	}
	if c.work == "spread" {
		pod.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: v1.LabelTopologyZone,
			WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: &meta.LabelSelector{MatchLabels: labels}}}
		pod.Spec.NodeSelector = map[string]string{"disk": []string{"ssd", "hdd"}[g%2]}
	}
	return pod
}

// amounts are millicores and MiB.
func amounts(cpu, mem int64) v1.ResourceList {
	return v1.ResourceList{v1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI), v1.ResourceMemory: *resource.NewQuantity(mem<<20, resource.BinarySI)}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "kube:", err)
		os.Exit(1)
	}
}
