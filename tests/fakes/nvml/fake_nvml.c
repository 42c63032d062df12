/* A stand-in for libnvidia-ml.so.1, so that the real nvidia-ml-py runs on a machine without a GPU.
 *
 *   cc -shared -fPIC -O1 -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 fake_nvml.c -lm
 *
 * Its power is a profile, a text file with lines "seconds watts [watts_at_end [utilisation_percent]]" that repeat for
 * ever; its energy counter is the exact integral of that profile, so a test integrates the same text and knows the
 * truth.  Lines may be added while it is read: what a load writes there has been drawn.
 * Everything else is told by the environment, read at each nvmlInit:
 *
 *   FAKE_NVML_DEVICES      how many devices (1)
 *   FAKE_NVML_INIT_CODE    what nvmlInit returns (0; 9 = driver not loaded)
 *   FAKE_NVML_GATE         a folder: nvmlInit makes the file "asked" there and does not answer before "open" is there
 *   FAKE_NVML_NOW_FILE     a file that holds the present moment in seconds: time stands still until it is rewritten.
 *                          Without it the clock is CLOCK_MONOTONIC (Python's time.monotonic on Linux).
 *   FAKE_NVML_T0           the moment at which the profile begins, on that clock (the first nvmlInit of the process;
 *                          with a NOW_FILE 0).  All times below are seconds since T0.
 *
 * Each of these counts for all devices; with _<index> at its end (FAKE_NVML_PROFILE_1) for that one:
 *
 *   FAKE_NVML_PROFILE        path of the profile (constant 100 W)
 *   FAKE_NVML_STEP_S         the energy counter moves this often (0.1, like many cards; 0 = always)
 *   FAKE_NVML_BASE_J         what the counter holds at T0 (1000)
 *   FAKE_NVML_RESET_AT_S     the counter starts again from 0 here (never)
 *   FAKE_NVML_FREEZE         "from_s:to_s": the counter stands still, and then shows what was used meanwhile (never)
 *   FAKE_NVML_JUMP           "at_s:joules": from then on it shows so much more, or less (never)
 *   FAKE_NVML_NO_COUNTER     1 = the card has no energy counter
 *   FAKE_NVML_NO_POWER       1 = the card has no power gauge (many vGPUs)
 *   FAKE_NVML_NO_UTILISATION 1 = the driver does not tell utilisation by process
 *   FAKE_NVML_NO_RATES       1 = nor that of the card
 *   FAKE_NVML_RATES_MEAN_S   that of the card is a mean over this many past seconds of the profile (0.2), if that tells
 *                            it; else the sum of those who compute at the moment
 *   FAKE_NVML_GAUGE_MEAN_S   the gauge is a mean over this many past seconds (0 = instantaneous)
 *   FAKE_NVML_LIMIT_W        enforced power limit (300; 0 = not supported)
 *   FAKE_NVML_CAPABILITY     CUDA compute capability ("9.0"; "0" = not supported)
 *   FAKE_NVML_NAME           ("Fake GPU")
 *   FAKE_NVML_UUID           ("GPU-<index>0000000-0000-0000-0000-000000000000")
 *   FAKE_NVML_PCI            ("00000000:0<index+1>:00.0")
 *   FAKE_NVML_PROCESSES      "pid:from_s:to_s[:sm_percent[:mig_instance]]", several parted by ';' (nobody)
 *   FAKE_NVML_SAMPLE_S       utilisation is sampled this often (0.2)
 *   FAKE_NVML_MIG            compute slices of the MIG instances, "3,4" (MIG is not supported)
 *   FAKE_NVML_MIG_SLICES     compute slices of the whole card (7; an A30 has 4)
 *   FAKE_NVML_FAIL           "call:code:from_s:to_s", several parted by ';'; call is energy, power, limit, processes,
 *                            rates or utilisation; code 15 = GPU is lost, 999 = unknown error (never)
 *
 * fake_nvml_calls() counts the calls of all nvmlDevice functions in this process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { MAX_DEVICES = 16, MAX_LINES = 8192, MAX_PROCESSES = 32, MAX_FAILURES = 8, MAX_INSTANCES = 7 };
#define UTILISATION_KEPT_S 10.0 /* the driver's own buffer is short */

typedef struct { double s, from_w, to_w, percent; } Line; /* percent: below 0 where it is not told */
typedef struct { unsigned pid; double from_s, to_s, sm; int instance; } Process;
typedef struct { char call[16]; int code; double from_s, to_s; } Failure;
typedef struct Device Device;
struct Device {
  int index, instance; /* instance: -1 for a whole card */
  Device *parent;
  char name[96], uuid[96], pci[32], profile[512];
  long long profile_size;
  Line lines[MAX_LINES];
  int n_lines;
  double period_s, period_j;
  double step_s, base_j, reset_at_s, freeze_s, thaw_s, jump_at_s, jump_j, gauge_mean_s, limit_w, sample_s, rates_mean_s;
  int no_counter, no_power, no_utilisation, no_rates, capability_major, capability_minor;
  Process processes[MAX_PROCESSES];
  int n_processes;
  Failure failures[MAX_FAILURES];
  int n_failures;
  int n_instances, slices[MAX_INSTANCES], all_slices;
};

static Device cards[MAX_DEVICES], instances[MAX_DEVICES][MAX_INSTANCES];
static int n_cards, open_count, now_fd = -1;
static double t0_s;
static int t0_known;
static unsigned long calls;

unsigned long fake_nvml_calls(void) { return calls; }

/* --- the environment --------------------------------------------------------------------------------------- */

static const char *option(const char *name, int index, const char *otherwise) {
  char key[64];
  snprintf(key, sizeof key, "FAKE_NVML_%s_%d", name, index);
  const char *text = getenv(key);
  if (!text) {
    snprintf(key, sizeof key, "FAKE_NVML_%s", name);
    text = getenv(key);
  }
  return text && *text ? text : otherwise;
}

static double number(const char *name, int index, double otherwise) {
  const char *text = option(name, index, NULL);
  return text ? atof(text) : otherwise;
}

static double now_s(void) {
  if (now_fd >= 0) {
    char text[64] = {0};
    if (pread(now_fd, text, sizeof text - 1, 0) > 0) return atof(text) - t0_s;
  }
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec + ts.tv_nsec * 1e-9 - t0_s;
}

static int read_profile(Device *card, const char *path) {
  card->n_lines = 0;
  FILE *file = path ? fopen(path, "r") : NULL;
  if (path && !file) return 0;
  char text[256];
  while (file && card->n_lines < MAX_LINES && fgets(text, sizeof text, file)) {
    Line line;
    int fields = sscanf(text, "%lf %lf %lf %lf", &line.s, &line.from_w, &line.to_w, &line.percent);
    if (fields < 2 || line.s <= 0) continue;
    if (fields == 2) line.to_w = line.from_w;
    if (fields < 4) line.percent = -1;
    card->lines[card->n_lines++] = line;
  }
  if (file) fclose(file);
  if (!card->n_lines) card->lines[card->n_lines++] = (Line){1, 100, 100, -1};
  card->period_s = card->period_j = 0;
  for (int i = 0; i < card->n_lines; i++) {
    card->period_s += card->lines[i].s;
    card->period_j += card->lines[i].s * (card->lines[i].from_w + card->lines[i].to_w) / 2;
  }
  return 1;
}

static void read_processes(Device *card, const char *text) {
  for (card->n_processes = 0; text && *text && card->n_processes < MAX_PROCESSES;) {
    Process p = {0, 0, 0, 100, -1};
    if (sscanf(text, "%u:%lf:%lf:%lf:%d", &p.pid, &p.from_s, &p.to_s, &p.sm, &p.instance) >= 3)
      card->processes[card->n_processes++] = p;
    text = strchr(text, ';');
    if (text) text++;
  }
}

static void read_failures(Device *card, const char *text) {
  for (card->n_failures = 0; text && *text && card->n_failures < MAX_FAILURES;) {
    Failure f;
    if (sscanf(text, "%15[a-z]:%d:%lf:%lf", f.call, &f.code, &f.from_s, &f.to_s) == 4)
      card->failures[card->n_failures++] = f;
    text = strchr(text, ';');
    if (text) text++;
  }
}

static void read_instances(Device *card, const char *text) {
  for (card->n_instances = 0; text && *text && card->n_instances < MAX_INSTANCES;) {
    int i = card->n_instances++;
    card->slices[i] = atoi(text);
    instances[card->index][i] = (Device){.index = card->index, .instance = i, .parent = card};
    snprintf(instances[card->index][i].uuid, sizeof card->uuid, "MIG-%.60s-%d", card->uuid + 4, i);
    snprintf(instances[card->index][i].name, sizeof card->name, "%.70s MIG %dg", card->name, card->slices[i]);
    text = strchr(text, ',');
    if (text) text++;
  }
}

static int read_card(Device *card, int i) {
  memset(card, 0, sizeof *card);
  card->index = i;
  card->instance = -1;
  char text[96];
  snprintf(card->name, sizeof card->name, "%s", option("NAME", i, "Fake GPU"));
  snprintf(text, sizeof text, "GPU-%d0000000-0000-0000-0000-000000000000", i);
  snprintf(card->uuid, sizeof card->uuid, "%s", option("UUID", i, text));
  snprintf(text, sizeof text, "00000000:%02X:00.0", i + 1);
  snprintf(card->pci, sizeof card->pci, "%s", option("PCI", i, text));
  card->step_s = number("STEP_S", i, 0.1);
  card->base_j = number("BASE_J", i, 1000);
  card->reset_at_s = number("RESET_AT_S", i, INFINITY);
  card->freeze_s = card->thaw_s = card->jump_at_s = INFINITY;
  sscanf(option("FREEZE", i, ""), "%lf:%lf", &card->freeze_s, &card->thaw_s);
  sscanf(option("JUMP", i, ""), "%lf:%lf", &card->jump_at_s, &card->jump_j);
  card->gauge_mean_s = number("GAUGE_MEAN_S", i, 0);
  card->limit_w = number("LIMIT_W", i, 300);
  card->sample_s = number("SAMPLE_S", i, 0.2);
  card->no_counter = number("NO_COUNTER", i, 0) != 0;
  card->no_power = number("NO_POWER", i, 0) != 0;
  card->no_utilisation = number("NO_UTILISATION", i, 0) != 0;
  card->no_rates = number("NO_RATES", i, 0) != 0;
  sscanf(option("CAPABILITY", i, "9.0"), "%d.%d", &card->capability_major, &card->capability_minor);
  read_processes(card, option("PROCESSES", i, NULL));
  read_failures(card, option("FAIL", i, NULL));
  card->all_slices = (int)number("MIG_SLICES", i, 7);
  read_instances(card, option("MIG", i, NULL));
  card->rates_mean_s = number("RATES_MEAN_S", i, 0.2);
  snprintf(card->profile, sizeof card->profile, "%s", option("PROFILE", i, ""));
  struct stat now;
  if (*card->profile && !stat(card->profile, &now)) card->profile_size = now.st_size;
  return read_profile(card, *card->profile ? card->profile : NULL);
}

/* Read the profile again where lines were added to it. */
static void refresh(Device *card) {
  struct stat now;
  if (!*card->profile || stat(card->profile, &now) || now.st_size == card->profile_size) return;
  card->profile_size = now.st_size;
  read_profile(card, card->profile);
}

/* --- the profile ------------------------------------------------------------------------------------------- */

static double energy_j(const Device *card, double t_s) {
  if (t_s <= 0) return 0;
  double whole = floor(t_s / card->period_s), sum_j = whole * card->period_j, left_s = t_s - whole * card->period_s;
  for (int i = 0; i < card->n_lines && left_s > 0; i++) {
    const Line *line = &card->lines[i];
    double s = fmin(left_s, line->s), end_w = line->from_w + (line->to_w - line->from_w) * s / line->s;
    sum_j += s * (line->from_w + end_w) / 2;
    left_s -= s;
  }
  return sum_j;
}

/* Seconds of work up to a moment. */
static double busy_s(const Device *card, double t_s) {
  double sum_s = 0, left_s = fmax(t_s, 0);
  while (left_s > 0)
    for (int i = 0; i < card->n_lines && left_s > 0; i++) {
      double s = fmin(left_s, card->lines[i].s);
      sum_s += s * card->lines[i].percent / 100;
      left_s -= s;
    }
  return sum_s;
}

static double momentary_w(const Device *card, double t_s) {
  double left_s = fmod(fmax(t_s, 0), card->period_s);
  for (int i = 0; i < card->n_lines; i++) {
    const Line *line = &card->lines[i];
    if (left_s < line->s || i == card->n_lines - 1)
      return line->from_w + (line->to_w - line->from_w) * fmin(left_s, line->s) / line->s;
    left_s -= line->s;
  }
  return 0;
}

static double power_w(const Device *card, double t_s) {
  double mean_s = fmin(card->gauge_mean_s, t_s);
  if (mean_s > 0) return (energy_j(card, t_s) - energy_j(card, t_s - mean_s)) / mean_s;
  return momentary_w(card, t_s);
}

static int failing(const Device *card, const char *call) {
  double t_s = now_s();
  for (int i = 0; i < card->n_failures; i++) {
    const Failure *f = &card->failures[i];
    if (!strcmp(f->call, call) && f->from_s <= t_s && t_s < f->to_s) return f->code;
  }
  return OK;
}

/* --- the library ------------------------------------------------------------------------------------------- */

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  const char *gate = getenv("FAKE_NVML_GATE");
  if (gate && *gate) {
    char path[512];
    snprintf(path, sizeof path, "%s/asked", gate);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    snprintf(path, sizeof path, "%s/open", gate);
    while (access(path, F_OK)) usleep(1000);
  }
  int code = atoi(option("INIT_CODE", 0, "0"));
  if (code) return code;
  if (now_fd >= 0) close(now_fd);
  const char *now_file = getenv("FAKE_NVML_NOW_FILE");
  now_fd = now_file && *now_file ? open(now_file, O_RDONLY | O_CLOEXEC) : -1;
  const char *t0 = getenv("FAKE_NVML_T0");
  if (t0 && *t0) {
    t0_s = atof(t0);
  } else if (now_fd >= 0) {
    t0_s = 0;
  } else if (!t0_known) {
    t0_s = 0;
    t0_s = now_s();
    t0_known = 1;
  }
  n_cards = atoi(option("DEVICES", 0, "1"));
  if (n_cards > MAX_DEVICES) return INVALID;
  for (int i = 0; i < n_cards; i++)
    if (!read_card(&cards[i], i)) return INVALID;
  open_count++;
  return OK;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
  if (!open_count) return UNINITIALIZED;
  open_count--;
  return OK;
}

const char *nvmlErrorString(int code) {
  switch (code) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case TOO_SMALL: return "Insufficient Size";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    default: return "Unknown Error";
  }
}

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
  snprintf(text, size, "000.00.fake");
  return OK;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
  *version = 12000;
  return OK;
}

#define COUNT_CALL \
  do { calls++; if (!open_count) return UNINITIALIZED; } while (0)
#define CALL(device) \
  do { COUNT_CALL; if (!(device)) return INVALID; } while (0)
#define WHOLE_CARD(device) \
  do { CALL(device); if ((device)->parent) return NOT_SUPPORTED; } while (0)

int nvmlDeviceGetCount_v2(unsigned *count) {
  COUNT_CALL;
  *count = n_cards;
  return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
  COUNT_CALL;
  if (index >= (unsigned)n_cards) return INVALID;
  *device = &cards[index];
  return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
  COUNT_CALL;
  for (int i = 0; i < n_cards; i++) {
    if (!strcmp(cards[i].uuid, uuid)) return *device = &cards[i], OK;
    for (int k = 0; k < cards[i].n_instances; k++)
      if (!strcmp(instances[i][k].uuid, uuid)) return *device = &instances[i][k], OK;
  }
  return NOT_FOUND;
}

int nvmlDeviceGetName(Device *device, char *text, unsigned size) {
  CALL(device);
  snprintf(text, size, "%s", device->name);
  return OK;
}

int nvmlDeviceGetUUID(Device *device, char *text, unsigned size) {
  CALL(device);
  snprintf(text, size, "%s", device->uuid);
  return OK;
}

int nvmlDeviceGetIndex(Device *device, unsigned *index) {
  WHOLE_CARD(device);
  *index = device->index;
  return OK;
}

typedef struct {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
} PciInfo;

int nvmlDeviceGetPciInfo_v3(Device *device, PciInfo *info) {
  WHOLE_CARD(device);
  memset(info, 0, sizeof *info);
  snprintf(info->bus_id, sizeof info->bus_id, "%s", device->pci);
  snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "%.15s", device->pci + 4);
  sscanf(device->pci, "%x:%x:%x", &info->domain, &info->bus, &info->device);
  return OK;
}

int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
  CALL(device);
  const Device *card = device->parent ? device->parent : device;
  if (!card->capability_major) return NOT_SUPPORTED;
  *major = card->capability_major;
  *minor = card->capability_minor;
  return OK;
}

/* NVML_DEVICE_ARCH_*: 2 Kepler, 3 Maxwell, 4 Pascal, 5 Volta, 6 Turing, 7 Ampere, 8 Ada, 9 Hopper. */
int nvmlDeviceGetArchitecture(Device *device, unsigned *architecture) {
  CALL(device);
  const Device *card = device->parent ? device->parent : device;
  int major = card->capability_major, minor = card->capability_minor;
  if (!major) return NOT_SUPPORTED;
  *architecture = major == 3 ? 2 : major == 5 ? 3 : major == 6 ? 4 : major == 7 ? (minor >= 5 ? 6 : 5)
                : major == 8 ? (minor == 9 ? 8 : 7) : 9;
  return OK;
}

int nvmlDeviceGetC2cModeInfoV(Device *device, void *info) {
  (void)info;
  CALL(device);
  return NOT_SUPPORTED;
}

int nvmlDeviceGetMemoryInfo(Device *device, unsigned long long memory[3]) {
  CALL(device);
  memory[0] = 16ull << 30;
  memory[1] = 15ull << 30;
  memory[2] = 1ull << 30;
  return OK;
}

int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *celsius) {
  (void)sensor;
  CALL(device);
  *celsius = 40;
  return OK;
}

int nvmlDeviceGetComputeMode(Device *device, int *mode) {
  CALL(device);
  *mode = 0;
  return OK;
}

int nvmlDeviceGetPowerUsage(Device *device, unsigned *mw) {
  WHOLE_CARD(device);
  int code = failing(device, "power");
  if (code) return code;
  if (device->no_power) return NOT_SUPPORTED;
  refresh(device);
  *mw = (unsigned)lround(power_w(device, now_s()) * 1000);
  return OK;
}

typedef struct {
  unsigned field, scope;
  long long t_us, latency_us;
  unsigned type;
  int code;
  union { double d; unsigned u; unsigned long long ull; } value;
} FieldValue;

/* Power as a mean of the last second (185) and of the moment (186). */
int nvmlDeviceGetFieldValues(Device *device, int count, FieldValue *values) {
  WHOLE_CARD(device);
  for (int i = 0; i < count; i++) {
    FieldValue *v = &values[i];
    v->code = (v->field != 185 && v->field != 186) || v->scope || device->no_power ? NOT_SUPPORTED : OK;
    double t_s = now_s(), mean_s = v->field == 185 ? fmin(1, t_s) : 0;
    double w = mean_s > 0 ? (energy_j(device, t_s) - energy_j(device, t_s - mean_s)) / mean_s : momentary_w(device, t_s);
    v->type = 1;
    v->value.u = (unsigned)lround(w * 1000);
  }
  return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *mw) {
  WHOLE_CARD(device);
  int code = failing(device, "limit");
  if (code) return code;
  if (device->limit_w <= 0) return NOT_SUPPORTED;
  *mw = (unsigned)lround(device->limit_w * 1000);
  return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *mj) {
  WHOLE_CARD(device);
  int code = failing(device, "energy");
  if (code) return code;
  if (device->no_counter) return NOT_SUPPORTED;
  refresh(device);
  double t_s = now_s();
  if (device->step_s > 0) t_s = floor(t_s / device->step_s + 1e-9) * device->step_s;
  if (device->freeze_s <= t_s && t_s < device->thaw_s) t_s = device->freeze_s;
  double j = device->base_j + energy_j(device, t_s);
  if (t_s >= device->reset_at_s) j = energy_j(device, t_s) - energy_j(device, device->reset_at_s);
  if (t_s >= device->jump_at_s) j += device->jump_j;
  *mj = (unsigned long long)llround(fmax(0, j) * 1000);
  return OK;
}

int nvmlDeviceGetUtilizationRates(Device *device, unsigned rates[2]) {
  WHOLE_CARD(device);
  if (device->n_instances || device->no_rates) return NOT_SUPPORTED;
  int code = failing(device, "rates");
  if (code) return code;
  refresh(device);
  double t_s = now_s(), sm = 0;
  if (device->lines[0].percent >= 0) {
    double mean_s = fmin(device->rates_mean_s, t_s);
    sm = mean_s > 0 ? 100 * (busy_s(device, t_s) - busy_s(device, t_s - mean_s)) / mean_s : device->lines[0].percent;
    rates[0] = (unsigned)lround(sm);
    rates[1] = 0;
    return OK;
  }
  for (int i = 0; i < device->n_processes; i++) {
    const Process *p = &device->processes[i];
    if (p->from_s <= t_s && t_s < p->to_s) sm += p->sm;
  }
  rates[0] = (unsigned)fmin(100, sm);
  rates[1] = 0;
  return OK;
}

/* --- MIG --------------------------------------------------------------------------------------------------- */

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
  WHOLE_CARD(device);
  if (!device->n_instances) return NOT_SUPPORTED;
  *current = *pending = 1;
  return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) {
  WHOLE_CARD(device);
  *count = device->n_instances ? device->all_slices : 0;
  return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **instance) {
  WHOLE_CARD(device);
  if (index >= (unsigned)device->n_instances) return NOT_FOUND;
  *instance = &instances[device->index][index];
  return OK;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *instance, Device **device) {
  CALL(instance);
  if (!instance->parent) return INVALID;
  *device = instance->parent;
  return OK;
}

typedef struct {
  unsigned multiprocessors, copy_engines, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices;
  unsigned long long memory_mb;
} Attributes;

int nvmlDeviceGetAttributes_v2(Device *instance, Attributes *attributes) {
  CALL(instance);
  if (!instance->parent) return NOT_SUPPORTED;
  memset(attributes, 0, sizeof *attributes);
  attributes->gpu_slices = attributes->compute_slices = instance->parent->slices[instance->instance];
  return OK;
}

/* --- who computes ------------------------------------------------------------------------------------------ */

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } ProcessInfo;

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, ProcessInfo *infos) {
  CALL(device);
  const Device *card = device->parent ? device->parent : device;
  int code = failing(card, "processes");
  if (code) return code;
  double t_s = now_s();
  unsigned found = 0, room = infos ? *count : 0;
  for (int i = 0; i < card->n_processes; i++) {
    const Process *p = &card->processes[i];
    if (t_s < p->from_s || t_s >= p->to_s) continue;
    if (device->parent && p->instance != device->instance) continue;
    if (found < room) infos[found] = (ProcessInfo){p->pid, 1ull << 20, ~0u, ~0u};
    found++;
  }
  *count = found;
  return found > room ? TOO_SMALL : OK;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *device, unsigned *count, ProcessInfo *infos) {
  (void)infos;
  CALL(device);
  *count = 0;
  return OK;
}

typedef struct { unsigned pid; unsigned long long t_us; unsigned sm, mem, enc, dec; } Sample;

/* One sample for each process that did anything since `last_us`: when it last did, and its mean SM % while it did. */
int nvmlDeviceGetProcessUtilization(Device *device, Sample *samples, unsigned *count, unsigned long long last_us) {
  CALL(device);
  int code = failing(device, "utilisation");
  if (code) return code;
  if (device->no_utilisation || device->parent || device->n_instances) return NOT_SUPPORTED;
  double now = now_s(), seen_s = fmax(last_us * 1e-6 - t0_s, now - UTILISATION_KEPT_S);
  long first = (long)floor(seen_s / device->sample_s + 1e-6) + 1, last = (long)floor(now / device->sample_s + 1e-9);
  unsigned found = 0, room = samples ? *count : 0;
  for (int i = 0; i < device->n_processes; i++) {
    const Process *p = &device->processes[i];
    double sum = 0, busy = 0, at_s = 0;
    for (long k = first > 1 ? first : 1; k <= last; k++) {
      double end_s = k * device->sample_s, start_s = end_s - device->sample_s;
      double part = (fmin(end_s, p->to_s) - fmax(start_s, p->from_s)) / device->sample_s;
      if (part <= 1e-9 || p->sm <= 0) continue;
      sum += fmin(1, part) * p->sm;
      busy += 1;
      at_s = end_s;
    }
    if (!busy) continue;
    if (found < room)
      samples[found] = (Sample){.pid = p->pid, .t_us = llround((at_s + t0_s) * 1e6), .sm = lround(sum / busy)};
    found++;
  }
  if (!found) return NOT_FOUND;
  *count = found;
  return found > room ? TOO_SMALL : OK;
}
