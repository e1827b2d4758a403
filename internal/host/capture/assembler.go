package capture

import "golang.org/x/net/bpf"

// assembler puts a program together whose jumps name labels. Classic BPF only
// jumps forward, and a conditional jump reaches 255 instructions.
type assembler struct {
	code   []instruction
	target []int // of the labels: the instruction that follows
}

// instruction is one of the program, or a jump to a label.
type instruction struct {
	bpf.Instruction // nil: a jump
	when            bpf.JumpTest
	value           uint32
	always          bool
	to              label
	far             bool // the condition leads over an unconditional jump
}

// label is a place in the program that is jumped to.
type label int

func (a *assembler) add(i bpf.Instruction) { a.code = append(a.code, instruction{Instruction: i}) }

func (a *assembler) label() label {
	a.target = append(a.target, -1)
	return label(len(a.target) - 1)
}

func (a *assembler) place(l label) { a.target[l] = len(a.code) }

func (a *assembler) jump(to label) { a.code = append(a.code, instruction{always: true, to: to}) }

// when jumps if A is the value.
func (a *assembler) when(value uint32, to label) { a.test(bpf.JumpEqual, value, to) }

// unless jumps if A is not the value.
func (a *assembler) unless(value uint32, to label) { a.test(bpf.JumpNotEqual, value, to) }

// whenBits jumps if A has any of the bits.
func (a *assembler) whenBits(bits uint32, to label) { a.test(bpf.JumpBitsSet, bits, to) }

func (a *assembler) test(when bpf.JumpTest, value uint32, to label) {
	a.code = append(a.code, instruction{when: when, value: value, to: to})
}

// link fills in the distances.
func (a *assembler) link() []bpf.Instruction {
	at := make([]int, len(a.code)+1)
	for again := true; again; { // a far jump makes others longer
		again = false
		for i := range a.code {
			at[i+1] = at[i] + 1
			if a.code[i].far {
				at[i+1]++
			}
		}
		for i := range a.code {
			c := &a.code[i]
			if c.Instruction == nil && !c.always && !c.far && at[a.target[c.to]]-at[i+1] > 255 {
				c.far, again = true, true
			}
		}
	}
	program := make([]bpf.Instruction, 0, at[len(a.code)])
	for i := range a.code {
		c := &a.code[i]
		distance := 0
		if c.Instruction == nil {
			distance = at[a.target[c.to]] - at[i+1]
		}
		switch {
		case c.Instruction != nil:
			program = append(program, c.Instruction)
		case c.always:
			program = append(program, bpf.Jump{Skip: uint32(distance)})
		case c.far:
			program = append(program, bpf.JumpIf{Cond: c.when, Val: c.value, SkipFalse: 1}, bpf.Jump{Skip: uint32(distance)})
		default:
			program = append(program, bpf.JumpIf{Cond: c.when, Val: c.value, SkipTrue: uint8(distance)})
		}
	}
	return program
}
