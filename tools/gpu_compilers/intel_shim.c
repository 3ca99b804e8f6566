// Answers for Linux's i915 driver, so that Mesa's ANV compiles for an Intel GPU that is not there. Preloaded, it takes the
// place of /dev/dri/renderD128; everything that is submitted is accepted, and nothing is executed. run.sh makes the node and
// the files of /sys that libdrm reads. INTEL_SHIM="DEVICE SLICES SUBSLICES UNITS LOCAL" describes the GPU: PCI id in
// hexadecimal, its parts, and 1 if it has memory of its own.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <drm.h>
#include <i915_drm.h>

#define NODE "/dev/dri/renderD128"
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
// size of the memory file behind an open node: it tells such files from others
#define SPACE (1ll << 42)
#define HANDLES (1u << 20)
#define GIB (1ull << 30)

static struct {
    unsigned device, slices, subslices, units, local;
} gpu = {0x9a49, 1, 6, 16, 0};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t last_handle;
static uint64_t end_of_buffers = 1 << 20;
static uint64_t begin_of_buffer[HANDLES];

__attribute__((constructor)) static void describe(void) {
    const char *text = getenv("INTEL_SHIM");
    if (text)
        sscanf(text, "%x %u %u %u %u", &gpu.device, &gpu.slices, &gpu.subslices, &gpu.units, &gpu.local);
}

// A node is a sparse memory file, and a buffer a range of it: mmap works as it is.
static int open_node(int flags) {
    int fd = memfd_create("renderD128", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd >= 0 && ftruncate(fd, SPACE)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int is_node(const char *path) { return path && !strcmp(path, NODE); }

static int is_open_node(int fd) {
    struct stat about;
    return !NEXT(fstat)(fd, &about) && S_ISREG(about.st_mode) && about.st_size == SPACE;
}

static mode_t mode_of(va_list list) { return va_arg(list, mode_t); }

#define DEFINE_OPEN(name)                                                      \
    int name(const char *path, int flags, ...) {                               \
        va_list list;                                                          \
        va_start(list, flags);                                                 \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? mode_of(list) : 0;       \
        va_end(list);                                                          \
        return is_node(path) ? open_node(flags) : NEXT(name)(path, flags, mode); \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

int openat(int folder, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? mode_of(list) : 0;
    va_end(list);
    return is_node(path) ? open_node(flags) : NEXT(openat)(folder, path, flags, mode);
}

// libdrm wants a character device with the numbers of a render node
#define DEFINE_FSTAT(name, type)                                \
    int name(int fd, struct type *about) {                      \
        int status = NEXT(name)(fd, about);                     \
        if (!status && S_ISREG(about->st_mode) && about->st_size == SPACE) { \
            about->st_mode = S_IFCHR | 0666;                    \
            about->st_rdev = makedev(226, 128);                 \
            about->st_size = 0;                                 \
        }                                                       \
        return status;                                          \
    }
DEFINE_FSTAT(fstat, stat)
DEFINE_FSTAT(fstat64, stat64)

static uint32_t new_handle(uint64_t bytes) {
    pthread_mutex_lock(&lock);
    uint32_t handle = ++last_handle;
    begin_of_buffer[handle % HANDLES] = end_of_buffers;
    end_of_buffers += (bytes + 0x1fffff) & ~0x1fffffull; // pages of 2 MiB
    pthread_mutex_unlock(&lock);
    return handle;
}

static int parameter(int which) {
    switch (which) {
    case I915_PARAM_CHIPSET_ID: return gpu.device;
    case I915_PARAM_REVISION: return 4;
    case I915_PARAM_CS_TIMESTAMP_FREQUENCY: return 19200000;
    case I915_PARAM_HAS_ALIASING_PPGTT: return 3;
    case I915_PARAM_HAS_LLC: return !gpu.local;
    case I915_PARAM_MMAP_VERSION:
    case I915_PARAM_MMAP_GTT_VERSION: return 4;
    case I915_PARAM_CMD_PARSER_VERSION: return 10;
    case I915_PARAM_SUBSLICE_TOTAL: return gpu.slices * gpu.subslices;
    case I915_PARAM_EU_TOTAL: return gpu.slices * gpu.subslices * gpu.units;
    case I915_PARAM_SLICE_MASK: return (1 << gpu.slices) - 1;
    case I915_PARAM_SUBSLICE_MASK: return (1 << gpu.subslices) - 1;
    case I915_PARAM_NUM_FENCES_AVAIL: return 8;
    default: return 1; // a feature: it is there
    }
}

// Sets bits 0 to `count` - 1 from a byte on.
static void set_bits(uint8_t *at, unsigned count) {
    for (unsigned i = 0; i < count; i++) at[i / 8] |= 1 << i % 8;
}

static unsigned bytes_of_bits(unsigned count) { return (count + 7) / 8; }

// A query is asked twice: with no length for the size of the answer, and then for the answer itself.
static void *answer_to(struct drm_i915_query_item *item, int bytes) {
    int asked = item->length;
    item->length = bytes;
    if (!asked) return NULL;
    void *to = (void *)(uintptr_t)item->data_ptr;
    return memset(to, 0, bytes);
}

static void topology(struct drm_i915_query_item *item) {
    unsigned of_slices = bytes_of_bits(gpu.slices), of_subslices = bytes_of_bits(gpu.subslices);
    unsigned of_units = bytes_of_bits(gpu.units), parts = gpu.slices * gpu.subslices;
    struct drm_i915_query_topology_info *info;
    info = answer_to(item, sizeof *info + of_slices + gpu.slices * of_subslices + parts * of_units);
    if (!info) return;
    info->max_slices = gpu.slices;
    info->max_subslices = gpu.subslices;
    info->max_eus_per_subslice = gpu.units;
    info->subslice_offset = of_slices;
    info->subslice_stride = of_subslices;
    info->eu_offset = of_slices + gpu.slices * of_subslices;
    info->eu_stride = of_units;
    set_bits(info->data, gpu.slices);
    for (unsigned i = 0; i < gpu.slices; i++) set_bits(info->data + of_slices + i * of_subslices, gpu.subslices);
    for (unsigned i = 0; i < parts; i++) set_bits(info->data + info->eu_offset + i * of_units, gpu.units);
}

static void engines(struct drm_i915_query_item *item) {
    struct drm_i915_query_engine_info *info = answer_to(item, sizeof *info + 2 * sizeof info->engines[0]);
    if (!info) return;
    info->num_engines = 2;
    info->engines[0].engine.engine_class = I915_ENGINE_CLASS_RENDER;
    info->engines[1].engine.engine_class = I915_ENGINE_CLASS_COPY;
}

static void memory(struct drm_i915_query_item *item) {
    unsigned count = gpu.local ? 2 : 1;
    struct drm_i915_query_memory_regions *info = answer_to(item, sizeof *info + count * sizeof info->regions[0]);
    if (!info) return;
    info->num_regions = count;
    for (unsigned i = 0; i < count; i++) {
        struct drm_i915_memory_region_info *region = &info->regions[i];
        region->region.memory_class = i ? I915_MEMORY_CLASS_DEVICE : I915_MEMORY_CLASS_SYSTEM;
        region->probed_size = region->unallocated_size = 16 * GIB;
        region->probed_cpu_visible_size = region->unallocated_cpu_visible_size = 16 * GIB;
    }
}

static void query(struct drm_i915_query *asked) {
    struct drm_i915_query_item *items = (void *)(uintptr_t)asked->items_ptr;
    for (unsigned i = 0; i < asked->num_items; i++) {
        switch (items[i].query_id) {
        case DRM_I915_QUERY_TOPOLOGY_INFO:
        case DRM_I915_QUERY_GEOMETRY_SUBSLICES: topology(&items[i]); break;
        case DRM_I915_QUERY_ENGINE_INFO: engines(&items[i]); break;
        case DRM_I915_QUERY_MEMORY_REGIONS: memory(&items[i]); break;
        default: items[i].length = -EINVAL;
        }
    }
}

static void copy_text(const char *text, char *to, size_t *room) {
    if (to && *room) strncpy(to, text, *room);
    *room = strlen(text);
}

// A descriptor that can be closed, for objects that leave the process.
static int some_file(void) { return NEXT(open)("/dev/null", O_RDWR | O_CLOEXEC); }

static void answer(unsigned long request, void *with) {
    switch (_IOC_NR(request)) {
    case _IOC_NR(DRM_IOCTL_VERSION): {
        struct drm_version *version = with;
        version->version_major = 1;
        version->version_minor = 6;
        copy_text("i915", version->name, &version->name_len);
        copy_text("20260101", version->date, &version->date_len);
        copy_text("Intel Graphics", version->desc, &version->desc_len);
        break;
    }
    case _IOC_NR(DRM_IOCTL_GET_CAP): {
        struct drm_get_cap *cap = with;
        cap->value = cap->capability == DRM_CAP_PRIME ? 3 : 1;
        break;
    }
    case _IOC_NR(DRM_IOCTL_PRIME_HANDLE_TO_FD): ((struct drm_prime_handle *)with)->fd = some_file(); break;
    case _IOC_NR(DRM_IOCTL_PRIME_FD_TO_HANDLE): ((struct drm_prime_handle *)with)->handle = new_handle(0); break;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE): ((struct drm_syncobj_create *)with)->handle = new_handle(0); break;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD): ((struct drm_syncobj_handle *)with)->fd = some_file(); break;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE): ((struct drm_syncobj_handle *)with)->handle = new_handle(0); break;
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_QUERY): {
        // all work is done
        struct drm_syncobj_timeline_array *all = with;
        uint64_t *points = (void *)(uintptr_t)all->points;
        for (unsigned i = 0; i < all->count_handles; i++) points[i] = 1ull << 60;
        break;
    }
    case _IOC_NR(DRM_IOCTL_I915_GETPARAM): {
        struct drm_i915_getparam *asked = with;
        *asked->value = parameter(asked->param);
        break;
    }
    case _IOC_NR(DRM_IOCTL_I915_QUERY): query(with); break;
    // two structures that begin alike
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE):
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE_EXT): {
        struct drm_i915_gem_create *create = with;
        create->handle = new_handle(create->size);
        break;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_USERPTR): ((struct drm_i915_gem_userptr *)with)->handle = new_handle(0); break;
    case _IOC_NR(DRM_IOCTL_I915_GEM_MMAP_OFFSET): {
        struct drm_i915_gem_mmap_offset *map = with;
        map->offset = begin_of_buffer[map->handle % HANDLES];
        break;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_CREATE): ((struct drm_i915_gem_context_create *)with)->ctx_id = 1; break;
    case _IOC_NR(DRM_IOCTL_I915_GEM_VM_CREATE): ((struct drm_i915_gem_vm_control *)with)->vm_id = 1; break;
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM): {
        struct drm_i915_gem_context_param *asked = with;
        asked->value = asked->param == I915_CONTEXT_PARAM_GTT_SIZE ? 1ull << 48 : 0;
        break;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_APERTURE): {
        struct drm_i915_gem_get_aperture *aperture = with;
        aperture->aper_size = aperture->aper_available_size = 1ull << 48;
        break;
    }
    default: break; // submits, waits and settings are accepted
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *with = va_arg(list, void *);
    va_end(list);
    if (_IOC_TYPE(request) != DRM_IOCTL_BASE || !is_open_node(fd)) return NEXT(ioctl)(fd, request, with);
    answer(request, with);
    return 0;
}
