// Tells the thread sanitizer about locks of Swift's Mutex that were waited for.
//
// A Mutex is an atomic number. Where nobody waits, its lock and unlock are compiled into the program,
// and the sanitizer sees them. Where somebody does, the Synchronization library waits and the kernel
// hands the lock over: the sanitizer sees neither, and reports races between threads that took turns.
// This library is loaded before that one (LD_PRELOAD), stands in for its three functions of that case,
// calls them, and says what they did. Nothing else is changed, and no report is suppressed.
//
// Mangled names belong to Swift's ABI. If they change, nothing calls this, and the false reports are
// back.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// Of the sanitizer's runtime. Programs without it may load this library too.
__attribute__((weak)) void __tsan_acquire(void *place);
__attribute__((weak)) void __tsan_release(void *place);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SELF __attribute__((swift_context)) void *self

typedef __attribute__((swiftcall)) void Lock(uint32_t thread, SELF);
typedef __attribute__((swiftcall)) bool TryLock(SELF);
typedef __attribute__((swiftcall)) void Unlock(SELF);

static void *next(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((swiftcall)) void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
__attribute__((swiftcall)) bool try_lock_slow(SELF) __asm__(TRY_LOCK);
__attribute__((swiftcall)) void unlock_slow(SELF) __asm__(UNLOCK);

// Waits for the lock, then takes over what its last holder did.
__attribute__((swiftcall)) void lock_slow(uint32_t thread, SELF) {
  ((Lock *)next(LOCK))(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

__attribute__((swiftcall)) bool try_lock_slow(SELF) {
  bool is_locked = ((TryLock *)next(TRY_LOCK))(self);
  if (is_locked && __tsan_acquire) __tsan_acquire(self);
  return is_locked;
}

// Leaves what this holder did to the next, then gives the lock to who waits.
__attribute__((swiftcall)) void unlock_slow(SELF) {
  if (__tsan_release) __tsan_release(self);
  ((Unlock *)next(UNLOCK))(self);
}
