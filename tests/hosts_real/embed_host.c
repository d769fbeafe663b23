/* A C program that embeds CPython, and has called forkcall_init() before: its functions run in
 * clean copies of the program, which come no further than that. embed_host SCRIPT [argument ...] */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <forkcall.h>

#include <string.h>

#define PLENTY_MS 60000

static int doubles(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = 2 * *(const int *)args;
    (void)args_size;
    return Py_IsInitialized() ? 1 : forkcall_buf_append(result, &answer, sizeof answer);
}

/* double(number) calls a function of the program itself. "ok", or what is wrong. */
static PyObject *call_double(PyObject *self, PyObject *args)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    struct forkcall_report report;
    int number, answer = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &number))
        return NULL;
    Py_BEGIN_ALLOW_THREADS report = forkcall_run(doubles, &number, sizeof number, &result, &options);
    Py_END_ALLOW_THREADS if (report.status == FORKCALL_OK && answer == 2 * number &&
                             report.method != FORKCALL_FORK) return PyBytes_FromString("ok");
    return PyBytes_FromFormat("a function of the program by method %d: %s", (int)report.method, report.message);
}

static PyMethodDef methods[] = {{"double", call_double, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef program = {PyModuleDef_HEAD_INIT, .m_name = "program", .m_size = -1, .m_methods = methods};

static PyObject *load_program(void)
{
    return PyModule_Create(&program);
}

int main(int argc, char **argv)
{
    forkcall_init();
    if (PyImport_AppendInittab("program", load_program) != 0)
        return 1;
    return Py_BytesMain(argc, argv);
}
