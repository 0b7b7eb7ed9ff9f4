//go:build linux

package compile

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where things stand in struct seccomp_data, little endian.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16
)

// span is a run of numbers, from first to the next span's, with one answer.
type span struct {
	first uint32
	code  []bpf.Instruction // ends in a return
}

// Compile makes the program. It finds the number by halving, so the longest way
// is a handful of comparisons: this is run at every system call.
func Compile(p Policy) ([]bpf.Instruction, error) {
	spans, err := p.spans()
	if err != nil {
		return nil, err
	}
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: p.Audit, SkipTrue: 1},
		bpf.RetConstant{Val: kill},
		bpf.LoadAbsolute{Off: atNumber, Size: 4},
	}
	code = append(code, search(spans)...)
	if len(code) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("%d instructions: the kernel takes %d", len(code), unix.BPF_MAXINSNS)
	}
	return code, nil
}

// Bytes is a program as an array of struct sock_filter.
func Bytes(code []bpf.Instruction) ([]byte, error) {
	raw, err := bpf.Assemble(code)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, r := range raw {
		b = binary.LittleEndian.AppendUint16(b, r.Op)
		b = append(b, r.Jt, r.Jf)
		b = binary.LittleEndian.AppendUint32(b, r.K)
	}
	return b, nil
}

// spans covers all numbers there are.
func (p Policy) spans() ([]span, error) {
	var all []span
	next := uint32(0) // the first number without a span
	add := func(first uint32, answer uint32) {
		if n := len(all); n == 0 || !isReturn(all[n-1].code, answer) {
			all = append(all, span{first, ret(answer)})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(p.Rules)) {
		if n > next {
			add(next, p.Refused)
		}
		if unconditional(p.Rules[n]) {
			add(n, p.Rules[n][0].Action)
		} else {
			code, err := conditional(p.Rules[n], p.Refused)
			if err != nil {
				return nil, fmt.Errorf("system call %d: %w", n, err)
			}
			all = append(all, span{n, code})
		}
		next = n + 1
	}
	add(next, errno|uint32(unix.ENOSYS))
	return all, nil
}

func ret(answer uint32) []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: answer}}
}

func isReturn(code []bpf.Instruction, answer uint32) bool {
	return len(code) == 1 && code[0] == bpf.Instruction(bpf.RetConstant{Val: answer})
}

func unconditional(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return len(r.Conditions) == 0 })
}

// search is the code that finds the span of the number in A.
func search(spans []span) []bpf.Instruction {
	if len(spans) == 1 {
		return spans[0].code
	}
	half := len(spans) / 2
	low, high := search(spans[:half]), search(spans[half:])
	code := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[half].first, SkipTrue: uint8(min(len(low), math.MaxUint8))}}
	if len(low) > math.MaxUint8 { // too far for a conditional jump
		code = []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[half].first, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(low))},
		}
	}
	return append(append(code, low...), high...)
}

// conditional tries the rules one after the other.
func conditional(rules []Rule, refused uint32) ([]bpf.Instruction, error) {
	var code []bpf.Instruction
	for _, r := range rules {
		one, err := r.code()
		if err != nil {
			return nil, err
		}
		code = append(code, one...)
	}
	return append(code, bpf.RetConstant{Val: refused}), nil
}

// code returns the action where all conditions fit and falls through where not.
func (r Rule) code() ([]bpf.Instruction, error) {
	code := ret(r.Action)
	for _, c := range slices.Backward(r.Conditions) {
		test, err := test(c, len(code))
		if err != nil {
			return nil, err
		}
		code = append(test, code...)
	}
	if len(code) > math.MaxUint8 {
		return nil, fmt.Errorf("a rule of %d conditions", len(r.Conditions))
	}
	return code, nil
}

// test goes on where the argument fits, and otherwise skips what follows. The
// argument is compared as the two halves that the kernel gives: the high one
// decides unless it is equal.
func test(c specs.LinuxSeccompArg, follow int) ([]bpf.Instruction, error) {
	if c.Index > 5 {
		return nil, fmt.Errorf("there is no argument %d", c.Index)
	}
	low := bpf.LoadAbsolute{Off: atArgs + uint32(c.Index)*8, Size: 4}
	high := bpf.LoadAbsolute{Off: low.Off + 4, Size: 4}
	lo, hi := uint32(c.Value), uint32(c.Value>>32)
	skip := uint8(follow)
	switch c.Op {
	case specs.OpEqualTo:
		return []bpf.Instruction{
			high, bpf.JumpIf{Cond: bpf.JumpEqual, Val: hi, SkipFalse: skip + 2},
			low, bpf.JumpIf{Cond: bpf.JumpEqual, Val: lo, SkipFalse: skip},
		}, nil
	case specs.OpNotEqual:
		return []bpf.Instruction{
			high, bpf.JumpIf{Cond: bpf.JumpEqual, Val: hi, SkipFalse: 2},
			low, bpf.JumpIf{Cond: bpf.JumpEqual, Val: lo, SkipTrue: skip},
		}, nil
	case specs.OpMaskedEqual:
		return []bpf.Instruction{
			high, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: hi},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.ValueTwo >> 32), SkipFalse: skip + 3},
			low, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: lo},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.ValueTwo), SkipFalse: skip},
		}, nil
	}
	return order(c.Op, high, low, hi, lo, skip)
}

func order(op specs.LinuxSeccompOperator, high, low bpf.Instruction, hi, lo uint32, skip uint8) ([]bpf.Instruction, error) {
	than, fits := bpf.JumpGreaterThan, map[specs.LinuxSeccompOperator]bpf.JumpTest{
		specs.OpLessThan: bpf.JumpLessThan, specs.OpLessEqual: bpf.JumpLessOrEqual,
		specs.OpGreaterThan: bpf.JumpGreaterThan, specs.OpGreaterEqual: bpf.JumpGreaterOrEqual,
	}
	at, ok := fits[op]
	if !ok {
		return nil, fmt.Errorf("a comparison that is not known: %s", op)
	}
	if op == specs.OpGreaterThan || op == specs.OpGreaterEqual {
		than = bpf.JumpLessThan
	}
	return []bpf.Instruction{
		high,
		bpf.JumpIf{Cond: than, Val: hi, SkipTrue: skip + 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hi, SkipFalse: 2},
		low, bpf.JumpIf{Cond: at, Val: lo, SkipFalse: skip},
	}, nil
}
