/* The part of CoreFoundation that the examples use, declared as Apple's documentation has it. With
 * it they are compiled where Apple's headers cannot be had; they cannot be linked. */
#ifndef STAND_IN_COREFOUNDATION_H
#define STAND_IN_COREFOUNDATION_H

#include <stdint.h>

typedef unsigned char Boolean;
typedef signed long CFIndex;
typedef unsigned long CFOptionFlags;
typedef double CFTimeInterval;
typedef CFTimeInterval CFAbsoluteTime;
typedef uint32_t CFStringEncoding;
typedef int32_t CFRunLoopRunResult;
typedef int CFFileDescriptorNativeDescriptor;

typedef const void *CFTypeRef;
typedef const struct __CFAllocator *CFAllocatorRef;
typedef const struct __CFString *CFStringRef;
typedef const struct __CFLocale *CFLocaleRef;
typedef const struct __CFTimeZone *CFTimeZoneRef;
typedef struct __CFDateFormatter *CFDateFormatterRef;
typedef struct __CFRunLoop *CFRunLoopRef;
typedef struct __CFRunLoopSource *CFRunLoopSourceRef;
typedef struct __CFRunLoopTimer *CFRunLoopTimerRef;
typedef struct __CFFileDescriptor *CFFileDescriptorRef;
typedef CFStringRef CFRunLoopMode, CFDateFormatterKey, CFLocaleIdentifier;
typedef CFIndex CFDateFormatterStyle;

extern const CFAllocatorRef kCFAllocatorDefault;
void CFRelease(CFTypeRef object);

/* ---- Locales and dates ----------------------------------------------------------------------- */

enum { kCFStringEncodingUTF8 = 0x08000100, kCFDateFormatterNoStyle = 0, kCFDateFormatterLongStyle = 3 };
extern const CFDateFormatterKey kCFDateFormatterTimeZone;
CFStringRef CFStringCreateWithCString(CFAllocatorRef allocator, const char *text, CFStringEncoding encoding);
Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex size, CFStringEncoding encoding);
CFLocaleRef CFLocaleCopyCurrent(void);
CFLocaleRef CFLocaleCreate(CFAllocatorRef allocator, CFLocaleIdentifier identifier);
CFLocaleIdentifier CFLocaleGetIdentifier(CFLocaleRef locale);
CFTimeZoneRef CFTimeZoneCreateWithTimeIntervalFromGMT(CFAllocatorRef allocator, CFTimeInterval interval);
CFDateFormatterRef CFDateFormatterCreate(CFAllocatorRef allocator, CFLocaleRef locale, CFDateFormatterStyle date,
                                         CFDateFormatterStyle time);
void CFDateFormatterSetProperty(CFDateFormatterRef formatter, CFStringRef key, CFTypeRef value);
CFStringRef CFDateFormatterCreateStringWithAbsoluteTime(CFAllocatorRef allocator, CFDateFormatterRef formatter,
                                                        CFAbsoluteTime when);

/* ---- Run loops ------------------------------------------------------------------------------- */

typedef void (*CFRunLoopTimerCallBack)(CFRunLoopTimerRef timer, void *info);
typedef struct {
    CFIndex version;
    void *info;
    const void *(*retain)(const void *info);
    void (*release)(const void *info);
    CFStringRef (*copyDescription)(const void *info);
} CFRunLoopTimerContext;

extern const CFRunLoopMode kCFRunLoopDefaultMode;
CFAbsoluteTime CFAbsoluteTimeGetCurrent(void);
CFRunLoopRef CFRunLoopGetCurrent(void);
void CFRunLoopRun(void);
CFRunLoopRunResult CFRunLoopRunInMode(CFRunLoopMode mode, CFTimeInterval seconds, Boolean return_after_source);
void CFRunLoopStop(CFRunLoopRef loop);
void CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
void CFRunLoopAddTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode);
CFRunLoopTimerRef CFRunLoopTimerCreate(CFAllocatorRef allocator, CFAbsoluteTime fire_date, CFTimeInterval interval,
                                       CFOptionFlags flags, CFIndex order, CFRunLoopTimerCallBack callback,
                                       CFRunLoopTimerContext *context);
void CFRunLoopTimerInvalidate(CFRunLoopTimerRef timer);

enum { kCFFileDescriptorReadCallBack = 1UL << 0 };
typedef void (*CFFileDescriptorCallBack)(CFFileDescriptorRef watch, CFOptionFlags kinds, void *info);
typedef struct {
    CFIndex version;
    void *info;
    void *(*retain)(void *info);
    void (*release)(void *info);
    CFStringRef (*copyDescription)(void *info);
} CFFileDescriptorContext;

CFFileDescriptorRef CFFileDescriptorCreate(CFAllocatorRef allocator, CFFileDescriptorNativeDescriptor fd,
                                           Boolean close_on_invalidate, CFFileDescriptorCallBack callback,
                                           const CFFileDescriptorContext *context);
void CFFileDescriptorEnableCallBacks(CFFileDescriptorRef watch, CFOptionFlags kinds);
void CFFileDescriptorInvalidate(CFFileDescriptorRef watch);
CFRunLoopSourceRef CFFileDescriptorCreateRunLoopSource(CFAllocatorRef allocator, CFFileDescriptorRef watch,
                                                       CFIndex order);

#endif
