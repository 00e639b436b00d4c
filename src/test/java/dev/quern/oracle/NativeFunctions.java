package dev.quern.oracle;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Objects;

/** Fills a record of method handles from a library, and calls them. */
final class NativeFunctions {
    private NativeFunctions() {}

    static <R extends Record> R bind(Class<R> functions, SymbolLookup library) {
        RecordComponent[] components = functions.getRecordComponents();
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        Object[] handles = Arrays.stream(components)
                .map(component -> handle(component.getAnnotation(NativeSignature.class), library))
                .toArray();
        try {
            return functions.getDeclaredConstructor(types).newInstance(handles);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(functions + " is no record of method handles", e);
        }
    }

    private static MethodHandle handle(NativeSignature signature, SymbolLookup library) {
        MemoryLayout[] takes = Arrays.stream(signature.takes())
                .map(type -> Objects.requireNonNull(type.layout()))
                .toArray(MemoryLayout[]::new);
        MemoryLayout returns = signature.returns().layout();
        FunctionDescriptor descriptor =
                returns == null ? FunctionDescriptor.ofVoid(takes) : FunctionDescriptor.of(returns, takes);
        return Linker.nativeLinker().downcallHandle(library.findOrThrow(signature.name()), descriptor);
    }

    interface Call<T> {
        T run() throws Throwable;
    }

    interface VoidCall {
        void run() throws Throwable;
    }

    /** A method handle may throw anything, as far as the compiler knows; a C function throws nothing. */
    static <T> T call(Call<T> call) {
        try {
            return call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    static void run(VoidCall call) {
        try {
            call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
