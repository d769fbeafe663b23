/* The native methods of RealHost.java. */
#include "real_host.h"

#include <jni.h>

JNIEXPORT jstring JNICALL Java_RealHost_begin(JNIEnv *env, jclass class, jstring helper);
JNIEXPORT jstring JNICALL Java_RealHost_calls(JNIEnv *env, jclass class);
JNIEXPORT jstring JNICALL Java_RealHost_end(JNIEnv *env, jclass class);

JNIEXPORT jstring JNICALL Java_RealHost_begin(JNIEnv *env, jclass class, jstring helper)
{
    const char *path = (*env)->GetStringUTFChars(env, helper, NULL);
    (void)class;
    const char *said = path != NULL ? real_host_begin(path) : "no memory";
    if (path != NULL)
        (*env)->ReleaseStringUTFChars(env, helper, path);
    return (*env)->NewStringUTF(env, said);
}

JNIEXPORT jstring JNICALL Java_RealHost_calls(JNIEnv *env, jclass class)
{
    (void)class;
    return (*env)->NewStringUTF(env, real_host_calls());
}

JNIEXPORT jstring JNICALL Java_RealHost_end(JNIEnv *env, jclass class)
{
    (void)class;
    return (*env)->NewStringUTF(env, real_host_end());
}
