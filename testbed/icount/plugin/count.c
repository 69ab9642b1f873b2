// count.c: a TCG plugin for qemu-user that counts executed instructions by phase and function.
//
//	qemu-aarch64 -plugin ./count.so,out=FILE PROGRAM
//
// The program ends a phase and begins phase n by prctl(0x63756c6c, n), which the kernel refuses and nobody else
// does; before the first mark it is in phase 0, which is not counted. FILE has a line "phase instructions function"
// for each function that a phase met. Debian has no qemu-plugin.h: what is used of it is declared here (API version 1).
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t id_t_;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*on_tb)(id_t_, struct qemu_plugin_tb *);
typedef void (*on_exec)(unsigned cpu, void *);
typedef void (*on_syscall)(id_t_, unsigned cpu, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
			   uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*on_end)(id_t_, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_trans_cb(id_t_, on_tb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_exec, int flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(id_t_, on_syscall);
void qemu_plugin_register_atexit_cb(id_t_, on_end, void *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { PHASES = 64, FUNCTIONS = 8192, PRCTL = 167, MARK = 0x63756c6c };

static const char *out, *names[FUNCTIONS];
static int functions;
static uint64_t counts[FUNCTIONS][PHASES];
static int phase;
static char lock;

// A block is a translated block: straight-line code of one function.
struct block {
	int function;
	uint64_t instructions;
};

static void run(unsigned cpu, void *data)
{
	struct block *b = data;
	(void)cpu;
	__atomic_fetch_add(&counts[b->function][phase], b->instructions, __ATOMIC_RELAXED);
}

static int function(const char *name)
{
	if (!name || !*name)
		name = "?";
	while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
		;
	int i = 0;
	while (i < functions && strcmp(names[i], name))
		i++;
	if (i == functions) {
		if (functions == FUNCTIONS) {
			fprintf(stderr, "count: more than %d functions\n", FUNCTIONS);
			abort();
		}
		names[functions++] = strdup(name);
	}
	__atomic_clear(&lock, __ATOMIC_RELEASE);
	return i;
}

static void translated(id_t_ id, struct qemu_plugin_tb *tb)
{
	struct block *b = malloc(sizeof *b); // lives as long as the code
	(void)id;
	b->instructions = qemu_plugin_tb_n_insns(tb);
	b->function = function(qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0)));
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run, 0, b);
}

static void called(id_t_ id, unsigned cpu, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		   uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
	(void)id, (void)cpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
	if (num == PRCTL && a1 == MARK && a2 < PHASES)
		phase = (int)a2;
}

static void ended(id_t_ id, void *data)
{
	(void)id, (void)data;
	FILE *f = fopen(out, "w");
	if (!f) {
		perror(out);
		return;
	}
	for (int p = 1; p < PHASES; p++)
		for (int i = 0; i < functions; i++)
			if (counts[i][p])
				fprintf(f, "%d %" PRIu64 " %s\n", p, counts[i][p], names[i]);
	if (fclose(f))
		perror(out);
}

EXPORT int qemu_plugin_install(id_t_ id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "count: want out=FILE\n");
		return 1;
	}
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_vcpu_syscall_cb(id, called);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
